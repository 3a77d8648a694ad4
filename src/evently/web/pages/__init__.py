"""HTML for people. A sibling of `api`: both stand on `edge` and `services`, and neither imports the other.

rendering         how a page is made: decorators, templates, headers, public pages that are kept
browsing          the home page and the search
events            the page of an event
choosing          from chosen tickets to a booking; seats: choosing seats from a list
bookings          one address for a booking's whole life; tickets: a ticket on the screen, and as PDF
passing           offering a ticket to another person, and accepting it
waitlist          joining, waiting, offers
sessions          logging in and out, making an account
site              theme, styleguide, accessibility, manifest, robots, sitemap
trouble           the page of every refusal
forms, words, poster    what people type; how pages write prices and times; pictures that are drawn
demo_gateway, demo_mail the page of the demo gateway; the mailbox of the demo
assets            files for browsers, at /static

A page calls the domains as an API face does, and decides nothing. Each module lists its `routes`;
`web/application.py` lists the modules. See docs/pages.md.
"""
