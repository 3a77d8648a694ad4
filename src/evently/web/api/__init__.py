"""The JSON API: one face per resource, named like the domain that answers.

A face decides nothing and has no SQL.

A face is a module with handlers and a list `routes` that `application.py` registers:

    @patch("/v1/venues/{venue_id}", operation_id="changeVenue", summary="Change a venue", tags=["..."],
           responses=problems(CatalogueRefusal.X), **policy(organizer("manager", "events:write")))
    async def change_venue(
        request: Request, venue_id: FromPath[VenueId], data: JSONBody[VenueChanges]
    ) -> Response[VenueView]:
        ...

    routes = [change_venue]
"""
