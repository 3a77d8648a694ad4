"""The edge: how HTTP is spoken. It knows no domain but accounts.

What faces use:
routing           decorators and markers with which a face declares its routes
context           what handlers get (`Request`) and return (`Response`)
auth              the policy of a route
problems          what a refusal looks like outside; the words are in `problems.toml`
conditional       ETag, If-None-Match, If-Match
idempotency       the Idempotency-Key header
lists             pages of a list
memory            responses that are kept for a quarter of a second
html, assets      templates and files for browsers

What carries a request, in this order:
protocol          limits on the request line and the headers
middleware        request ids, access log, metrics, security headers, CORS, body limits, compression
router            finds the route, enforces its policy, calls its handler
binding           arguments from the path, the query and the headers; `validation`: from the body
access, limits    who the caller is and may do; how often

What is made from the routes:
openapi           the description of the API, with `examples` and `tags.toml`; `postman`: a collection
"""
