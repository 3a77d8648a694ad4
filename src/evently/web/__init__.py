"""HTTP: `application` puts the rooms together.

edge      how HTTP is spoken; knows no domain but accounts
api       the JSON API, one face per resource
pages     HTML for people
"""
