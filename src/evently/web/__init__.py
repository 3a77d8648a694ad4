"""The HTTP edge: parse, find the actor, one verb, answer.

One face per domain, with the domain's name (`web/catalogue.py` shows `evently.catalogue`). A face is a module with handlers and a list
`routes` that `application.py` registers:

    @post("/v1/venues/{venue_id:str}", operation_id="...", summary="...", tags=["..."],
          responses=problems(CatalogueRefusal.X), **policy(organizer("manager", "events:write")))
    async def change_venue(request: Request, venue_id: FromPath[str], data: JSONBody[VenueChange]) -> Answer[VenueView]: ...

    routes = [change_venue]

What the others here do: `context` (what handlers get), `problems` (refusal code -> status, one table), `auth` (actors and policies),
`validation` (bodies), `conditional` (ETag, If-Match), `lists` (pages), `limits` (rates), `edge` (the one ASGI middleware), `documentation`
(OpenAPI and its pages), `health`.

No rule of any domain may live here, and no SQL.
"""
