"""HTML for people. A sibling of `api`: both stand on `edge` and `services`, and neither imports the other.

demo_gateway      the page of the demo gateway, where a bank or card company would ask its customer
assets            files for browsers, at /static

Pages for buyers, organizers and the door go here, one package each, with their `routes` listed in
`web/application.py`. A page calls the domains as an API face does, and decides nothing.
"""
