"""The edge: how HTTP is spoken. It knows no domain but accounts.

middleware        the one ASGI middleware: request ids, log, metrics, security headers, CORS, body limit, compression
context           what handlers get (`Request`) and give back (`Answer`)
auth, access      who makes the request, and which policy the route has
problems          refusal code -> status, title, explanation; exceptions -> answers (RFC 9457)
validation        bodies; `parameters`: queries and headers; every error at once
conditional       ETag, If-Match; `lists`: pages; `idempotency`: keys; `limits`: rates; `memory`: answers kept for a moment
openapi           the description of the API, with `examples` and `postman`
protocol          limits on what comes before the body
"""
