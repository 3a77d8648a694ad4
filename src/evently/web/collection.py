"""The walk of the Postman collection: the operations in an order in which each finds what it needs.

It runs against a server with the demo, as often as one likes: what it creates has names of its own (`run`).
`web/edge/postman.py` makes the collection from it. A new operation gets a step here.
"""

from __future__ import annotations

from typing import Any, Final

from evently.web.edge.postman import Chapter, Step

_PASSWORD: Final = "nine lively herons wade"  # noqa: S105  # of the account that the walk makes
_NEW_PASSWORD: Final = "ten quiet otters swim"  # noqa: S105
_REASON: Final = {"reason": "Tried with the collection."}
_RECEIPT: Final = {"receipt": "{{receipt}}", "code": "{{code}}"}
_FRIEND: Final = "friend-{{run}}@evently.example"
_RENAMED: Final = "kim-{{run}}@evently.example"
_NO_PASSKEY: Final = {"passkey_id": "pky_01m7y4ef72ev2sxmcnxfse27zp"}
# The latest code in the mailbox of the demo, which is the newest first
_CODE: Final = r"(pm.response.text().match(/<strong>[^<]*?(\d{3}\s?\d{3})\b/) || ['', ''])[1]"


def _login(who: str, email: str, password: str) -> Step:
    return Step(
        "login",
        name=f"Log in as the {who}",
        body={"email": email, "password": password},
        keep={f"{who}_token": "access_token", f"{who}_refresh": "refresh_token", f"{who}_id": "person.id"},
        checks=["answer.token_type === 'Bearer'"],
    )


def _demo_login(who: str) -> Step:
    return _login(who, f"{who}@evently.example", "evently-demo")


def _read_code(what: str, email: str = _FRIEND) -> Step:
    """Return the step that waits for a code that is another one than the last."""
    return Step(
        f"/demo/mail?to={email}",
        name=f"Read the code {what}",
        until=f"{_CODE} && {_CODE} !== pm.collectionVariables.get('code')",
        script=[f"pm.collectionVariables.set('code', {_CODE});"],
    )


def _version(operation: str, **more: Any) -> Step:
    """Return the step that reads the version that the next change names."""
    return Step(operation, name=f"Read the version ({operation})", **more)


def _use(name: str) -> str:
    """Return the script that continues with another event."""
    return f"pm.collectionVariables.set('event_id', pm.collectionVariables.get('{name}'));"


def _lines(quantity: int, **more: Any) -> dict[str, Any]:
    return {"lines": [{"ticket_type_id": "{{ticket_type_id}}", "quantity": quantity, **more}]}


def _row(name: str, seats: int, y: float) -> dict[str, Any]:
    numbers = range(1, seats + 1)
    return {
        "name": name,
        "seats": [
            {"id": f"stalls-{name.lower()}-{number}", "label": str(number), "x": number * 0.55, "y": y}
            for number in numbers
        ],
    }


_HALL: Final = {
    "map": {
        "name": "Great hall",
        "sections": [{"name": "Stalls", "rows": [_row(name, 10, y + 3.0) for y, name in enumerate("ABC")]}],
    }
}
_PLACE: Final = {"organizer_id": "{{organizer_id}}", "venue_id": "{{venue_id}}", "currency": "EUR"}


_START: Final = Chapter(
    "Start",
    "",
    [
        Step(
            "livez",
            before=[
                "const at = hours => new Date(Date.now() + hours * 3600000).toISOString();",
                "pm.collectionVariables.set('run', Date.now().toString(36));",
                "pm.collectionVariables.set('earlier', at(-1));",
                "pm.collectionVariables.set('soon', at(2));",
                "pm.collectionVariables.set('soon_ends', at(5));",
                "pm.collectionVariables.set('later', at(24 * 60));",
                "pm.collectionVariables.set('later_ends', at(24 * 60 + 3));",
                "pm.collectionVariables.set('day', at(24 * 90).slice(0, 19));",
                "pm.collectionVariables.set('next_day', at(24 * 91).slice(0, 19));",
            ],
        ),
        Step("readyz"),
        Step("health"),
        Step("metrics"),
        _demo_login("buyer"),
        _demo_login("owner"),
        _demo_login("admin"),
        Step("listEvents", query={"limit": "5"}, keep={"event_id": "data.0.id"}),
        Step("getEvent", checks=["answer.state === 'published'"]),
        Step("getAvailability"),
        Step("getCheckInKeys", checks=["answer.keys[0].kty === 'EC'"]),
    ],
)

_ACCOUNTS: Final = Chapter(
    "Accounts",
    "friend",
    [
        Step("register", body={"email": _FRIEND, "name": "Kim Friend", "password": _PASSWORD}),
        _login("friend", _FRIEND, _PASSWORD),
        Step(
            "refresh",
            body={"refresh_token": "{{friend_refresh}}"},
            keep={"friend_token": "access_token", "friend_refresh": "refresh_token"},
        ),
        Step("getMe", checks=["answer.name === 'Kim Friend'"]),
        Step("editMe", body={"name": "Kim Lindqvist"}, checks=["answer.name === 'Kim Lindqvist'"]),
        Step("requestCode", body={"email": _FRIEND}, keep={"receipt": "receipt"}),
        _read_code("that verifies the address"),
        Step("verifyMyEmail", body=_RECEIPT, checks=["answer.email_verified_at !== null"]),
        Step(
            "requestCode", name="Send a code to log in", body={"email": _FRIEND}, keep={"receipt": "receipt"}
        ),
        _read_code("for the log-in"),
        Step("loginWithCode", body=_RECEIPT, checks=["answer.person.name === 'Kim Lindqvist'"]),
        Step("listMySessions", keep={"session_id": "data.0.id"}, checks=["answer.data.length === 2"]),
        Step("endMySession"),
        Step("requestReset", body={"email": _FRIEND}, keep={"receipt": "receipt"}),
        _read_code("for a new password"),
        Step(
            "resetPassword",
            body=_RECEIPT | {"new_password": _NEW_PASSWORD},
            keep={"friend_token": "access_token"},
        ),
        Step("changePassword", body={"current_password": _NEW_PASSWORD, "new_password": _PASSWORD}),
        Step("requestEmailChange", body={"email": _RENAMED}, keep={"receipt": "receipt"}),
        _read_code("for the new address", _RENAMED),
        Step("confirmEmailChange", body=_RECEIPT, checks=["answer.email.startsWith('kim-')"]),
        Step("getMyNotificationChoices", checks=["answer.topics.length > 0"]),
        Step("chooseNotifications", path={"topic": "reminders"}, body={"email": False}),
    ],
)

_PASSKEYS: Final = Chapter(
    "Passkeys (a browser signs; made-up signatures are refused)",
    "friend",
    [
        Step("requestPasskeyLogin", keep={"receipt": "receipt"}),
        Step("loginWithPasskey", name="A made-up passkey is refused", status=401),
        Step("requestPasskey"),
        Step("addPasskey", name="A made-up passkey is not added", status=422),
        Step("listMyPasskeys", checks=["answer.data.length === 0"]),
        Step("renamePasskey", name="Rename a passkey that is not there", path=_NO_PASSKEY, status=404),
        Step("removePasskey", name="Remove a passkey that is not there", path=_NO_PASSKEY, status=404),
    ],
)

_ORGANIZERS: Final = Chapter(
    "Organizers",
    "owner",
    [
        Step(
            "createOrganizer",
            body={"name": "Lakeside {{run}}", "contact_email": "office@lakeside.example"},
            keep={"organizer_id": "id"},
        ),
        Step("getOrganizer", checks=["answer.contact_email === 'office@lakeside.example'"]),
        Step("editOrganizer", body={"contact_email": "hello@lakeside.example"}),
        Step("listMyOrganizers", checks=["answer.data.length >= 2"]),
        Step("invite", body={"email": _RENAMED, "role": "door"}, keep={"invitation_code": "code"}),
        Step("listInvitations", checks=["answer.data.length === 1"]),
        Step("acceptInvitation", by="friend", body={"code": "{{invitation_code}}"}),
        Step("listMembers", checks=["answer.data.length === 2"]),
        Step("getMember", path={"person_id": "{{friend_id}}"}, checks=["answer.role === 'door'"]),
        Step("editMember", path={"person_id": "{{friend_id}}"}, body={"role": "manager"}),
        Step("leaveOrganizer", by="friend"),
        Step(
            "invite",
            name="Invite another person",
            body={"email": "buyer@evently.example", "role": "door"},
            keep={"invitation_code": "code"},
        ),
        Step("acceptInvitation", name="Accept it", by="buyer", body={"code": "{{invitation_code}}"}),
        _version("getMember", path={"person_id": "{{buyer_id}}"}),
        Step("removeMember", path={"person_id": "{{buyer_id}}"}),
        Step(
            "invite",
            name="Invite by mistake",
            body={"email": "nobody@evently.example", "role": "door"},
            keep={"invitation_id": "id"},
        ),
        Step("withdrawInvitation"),
        Step(
            "createApiKey",
            body={"name": "Collection", "scopes": ["events:read", "bookings:read"]},
            keep={"key_token": "key", "api_key_id": "id"},
        ),
        Step("listOrganizerEvents", by="key", checks=["answer.data.length === 0"]),
        Step("listApiKeys", checks=["answer.data.length === 1"]),
        Step("revokeApiKey", checks=["answer.revoked_at !== null"]),
    ],
)

_VENUES: Final = Chapter(
    "Venues and seat maps",
    "owner",
    [
        Step(
            "createVenue",
            body={
                "organizer_id": "{{organizer_id}}",
                "name": "Tempodrom",
                "address": "Möckernstraße 10, 10963 Berlin",
                "city": "Berlin",
                "country": "DE",
                "time_zone": "Europe/Berlin",
            },
            keep={"venue_id": "id"},
        ),
        Step("getVenue", by="owner"),
        Step("changeVenue", body={"name": "Tempodrom, great hall"}),
        Step("listVenues", checks=["answer.data.length === 1"]),
        Step("addSeatMap", body=_HALL, keep={"seat_map_id": "id"}, checks=["answer.seats === 30"]),
        Step("previewSeatMapVersion", body=_HALL, checks=["answer.added === 0"]),
        Step("addSeatMapVersion", body=_HALL, checks=["answer.seats === 30"]),
        Step("importSeatMap", keep={"imported_map_id": "id"}),
        Step("importSeatMapVersion", path={"seat_map_id": "{{imported_map_id}}"}),
        Step("listSeatMaps", checks=["answer.data.length === 2"]),
        Step("getSeatMap", checks=["answer.map.sections.length === 1"]),
    ],
)

_EVENT: Final = Chapter(
    "An event, from the draft to the sale",
    "owner",
    [
        Step(
            "createEvent",
            body=_PLACE
            | {
                "title": "Jazz by night {{run}}",
                "description": "A quartet, two sets, one interval.",
                "starts_at": "{{soon}}",
                "ends_at": "{{soon_ends}}",
                "attendee_names": "optional",
                "names_hours_before": 0,
                "pools": [{"name": "Floor", "capacity": 40}],
                "ticket_types": [{"name": "Regular", "price": {"amount": 2500, "currency": "EUR"}}],
                "conditions": {"payment": "door", "cancel_hours_before": 0},
            },
            keep={"event_id": "id", "evening_id": "id", "ticket_type_id": "ticket_types.0.id"},
            checks=["answer.state === 'draft'"],
        ),
        Step("checkPublishing", checks=["answer.obstacles.length === 0"]),
        Step("listPools", keep={"pool_id": "data.0.id"}),
        Step("getPool", checks=["answer.capacity === 40"]),
        Step("changePool", body={"capacity": 50}, checks=["answer.capacity === 50"]),
        Step("addPool", body={"name": "Gallery", "capacity": 10}, keep={"other_pool_id": "id"}),
        Step("removePool", path={"pool_id": "{{other_pool_id}}"}),
        Step("addTicketType", body={"name": "Child"}, keep={"other_type_id": "id"}),
        Step("getTicketType", path={"ticket_type_id": "{{other_type_id}}"}),
        Step(
            "changeTicketType",
            path={"ticket_type_id": "{{other_type_id}}"},
            body={"description": "Up to twelve years."},
            checks=["answer.description === 'Up to twelve years.'"],
        ),
        Step("listTicketTypes", checks=["answer.data.length === 2"]),
        Step(
            "addPromoCode",
            body={"code": "EARLYBIRD", "kind": "percent", "basis_points": 1000},
            keep={"promo_id": "id"},
        ),
        Step("getPromoCode", checks=["answer.uses === 0"]),
        Step("changePromoCode", body={"uses_max": 50}, checks=["answer.uses_max === 50"]),
        Step("listPromoCodes", checks=["answer.data.length === 1"]),
        Step(
            "addQuestion",
            body={"kind": "text", "asked_per": "ticket", "label": "Anything we should know?"},
            keep={"question_id": "id"},
        ),
        Step("getQuestion"),
        Step("changeQuestion", body={"hint": "Allergies, for example."}),
        Step(
            "addQuestion",
            name="Ask once for each booking",
            body={"kind": "text", "label": "How did you hear of us?"},
            keep={"booking_question_id": "id"},
        ),
        Step(
            "addQuestion",
            name="Ask something by mistake",
            body={"kind": "text", "label": "Who are you?"},
            keep={"other_question_id": "id"},
        ),
        Step("deleteQuestion", path={"question_id": "{{other_question_id}}"}),
        Step("listQuestions", checks=["answer.data.length === 2"]),
        Step("getConditions", checks=["answer.payment === 'door'"]),
        Step("changeConditions", body={"holds_per_buyer_max": 5}),
        _version("getEvent", by="owner"),
        Step("changeEvent", body={"tags": ["jazz", "live"]}, checks=["answer.tags.length === 2"]),
        Step(
            "putEventPicture",
            name="A text is no picture",
            body="This is a text.",
            status=422,
            checks=["answer.code === 'unusable-picture'"],
        ),
        _version("getEvent", by="owner"),
        Step("deleteEventPicture"),
        Step("publishEvent", checks=["answer.state === 'published'"]),
        Step("getEventCalendar"),
        Step("listUpcomingEvents", checks=["answer.data.length === 1"]),
    ],
)

_BOOKING: Final = Chapter(
    "A booking and its tickets",
    "buyer",
    [
        Step(
            "quoteBooking",
            body=_lines(3) | {"promo_code": "EARLYBIRD"},
            checks=["answer.total.amount === 6750"],
        ),
        Step(
            "placeBooking",
            body=_lines(3) | {"promo_code": "EARLYBIRD", "via": "collection"},
            keep={
                "booking_id": "id",
                "reference": "reference",
                "ticket_id": "tickets.0.id",
                "ticket_code": "tickets.0.code",
                "second_ticket_id": "tickets.1.id",
            },
            checks=["answer.state === 'confirmed'", "answer.tickets.length === 3"],
        ),
        Step("getBooking", checks=["answer.state === 'confirmed'"]),
        Step("listMyBookings", query={"limit": "1"}, checks=["answer.data.length === 1"]),
        Step("listTicketsOfBooking", checks=["answer.data.length === 3"]),
        Step("getTicket", checks=["answer.state === 'valid'"]),
        Step("changeTicket", body={"attendee_name": "Grace Hopper"}),
        Step("getTicketQrCode"),
        Step("getTicketsPdf"),
        Step("getBookingCalendar"),
        Step("getTicketWallets", name="There is no wallet without a certificate", status=404),
        Step("getTicketApplePass", name="There is no pass without a certificate", status=404),
        Step("getAnswers", checks=["answer.missing === 0"]),
        Step(
            "changeAnswers",
            body={"answers": [{"question_id": "{{booking_question_id}}", "answer": "From a friend"}]},
        ),
        Step("getTicketAnswers"),
        Step(
            "changeTicketAnswers",
            body={
                "answers": [
                    {
                        "question_id": "{{question_id}}",
                        "ticket_id": "{{ticket_id}}",
                        "answer": "No nuts, please",
                    }
                ]
            },
        ),
        Step("quoteCancellation", checks=["answer.tickets.length === 3"]),
        Step(
            "offerTicket",
            path={"ticket_id": "{{second_ticket_id}}"},
            body={"email": _RENAMED},
            keep={"transfer_id": "id"},
        ),
        Step("getTransfer", checks=["answer.state === 'offered'"]),
        Step("listMyTransfers", checks=["answer.data.length > 0"]),
        Step("withdrawTransfer", checks=["answer.state === 'withdrawn'"]),
        Step(
            "offerTicket",
            name="Offer it again",
            path={"ticket_id": "{{second_ticket_id}}"},
            body={"email": _RENAMED},
            keep={"transfer_id": "id"},
        ),
        Step("declineTransfer", by="friend", checks=["answer.state === 'declined'"]),
        Step(
            "offerTicket",
            name="Offer it a third time",
            path={"ticket_id": "{{second_ticket_id}}"},
            body={"email": _RENAMED},
            keep={"transfer_id": "id"},
        ),
        Step("acceptTransfer", by="friend", checks=["answer.state === 'accepted'"]),
        Step("giveTicketBack", by="friend", path={"ticket_id": "{{second_ticket_id}}"}),
        Step(
            "listMyNotifications",
            keep={"notification_id": "data.0.id"},
            until="pm.response.json().data.length",
        ),
        Step("readNotification", checks=["answer.read_at !== null"]),
    ],
)

_DESK: Final = Chapter(
    "The organizer's desk",
    "owner",
    [
        Step("listEventBookings", checks=["answer.data.length === 1"]),
        Step("getEventBooking", checks=["answer.state === 'confirmed'"]),
        Step("findEventBookings", query={"q": "{{reference}}"}, checks=["answer.data.length === 1"]),
        Step("findOrganizerBookings", query={"q": "{{reference}}"}, checks=["answer.data.length === 1"]),
        Step("readStory", checks=["answer.steps.length > 0"]),
        Step("resendTickets"),
        Step("getEventTicket", checks=["answer.state === 'valid'"]),
        Step("nameTicket", body={"attendee_name": "Katherine Johnson"}),
        Step("listBookingAnswers", checks=["answer.data.length === 2"]),
        Step("listAttendees", checks=["answer.data.length === 3"]),
        Step("exportAttendees"),
        Step("exportBookings"),
        Step("previewBookingCancellation"),
        Step("getEventAnalytics"),
        Step("getEventConversion"),
        Step("getEvening"),
        Step("getEventMoney"),
        Step("getEventMoneyStatement"),
        Step("getEventMoneyStatementPdf"),
        Step("getOrganizerMoneyStatement"),
        Step("getOrganizerMoneyStatementPdf"),
        Step("getEventSeries"),
        Step("listSources", until="pm.response.json().sources.length"),
        Step("getEventTicketTypeSales"),
        Step("getOrganizerAnalytics"),
        Step("getOrganizerSeries"),
        Step("listMostBookedEventsOfOrganizer"),
        Step("readJournal", checks=["answer.data.length > 2"]),
        Step("proveEvent", checks=["answer.consistent === true"]),
    ],
)

_DOOR: Final = Chapter(
    "The door",
    "scanner",
    [
        Step("createScanner", by="owner", keep={"scanner_id": "id", "scanner_code": "code"}),
        Step("enrolScanner", body={"code": "{{scanner_code}}"}, keep={"scanner_token": "key"}),
        Step("listScanners", by="owner", checks=["answer.data[0].enrolled_at !== null"]),
        Step("getCheckIn", checks=["answer.valid === 3"]),
        Step(
            "putCheckIn",
            by="owner",
            body={"reentry": True, "gates": [{"name": "West gate"}]},
            checks=["answer.reentry === true"],
        ),
        Step("getCheckInList"),
        Step("findCheckInTickets", query={"q": "Katherine"}, checks=["answer.data.length === 1"]),
        Step(
            "scanTickets",
            body={
                "scans": [
                    {
                        "id": "{{$guid}}",
                        "code": "{{ticket_code}}",
                        "scanned_at": "{{$isoTimestamp}}",
                        "gate": "West gate",
                    }
                ]
            },
            keep={"scan_id": "data.0.id"},
            checks=["answer.data[0].result === 'accepted'"],
        ),
        Step("getCheckInCounters", until="pm.response.json().checked_in === 1"),
        Step("listScans", checks=["answer.data.length === 1"]),
        Step("undoScan", checks=["answer.undone_at !== null"]),
        Step("revokeScanner", by="owner", checks=["answer.revoked_at !== null"]),
    ],
)

_WEBHOOKS: Final = Chapter(
    "Webhooks (the program is none: what it would get waits)",
    "owner",
    [
        Step(
            "registerWebhook",
            body={
                "address": "https://shop.evently.example/hooks",
                "kinds": ["booking.confirmed", "event.changed"],
                "description": "The shop’s stock",
            },
            keep={"webhook_id": "id"},
            checks=["answer.secret.startsWith('whsec_')"],
        ),
        Step("listWebhooks", checks=["answer.data.length === 1"]),
        Step("pauseWebhook", checks=["answer.paused_because === 'by_hand'"]),
        Step("testWebhook", keep={"delivery_id": "id"}, checks=["answer.kind === 'webhook.test'"]),
        Step("listWebhookDeliveries", checks=["answer.data.length === 1"]),
        Step("getWebhookDelivery", checks=["answer.state === 'pending'", "answer.answers.length === 0"]),
        Step("skipWebhookDelivery", checks=["answer.state === 'skipped'"]),
        Step("sendWebhookDeliveryAgain", checks=["answer.state === 'pending'"]),
        Step("getWebhook", checks=["answer.waiting === 1", "!('secret' in answer)"]),
        Step("editWebhook", body={"kinds": ["event.changed"]}, checks=["answer.kinds.length === 1"]),
        Step("rotateWebhookSecret", checks=["answer.earlier_until !== null"]),
        Step("skipWebhookDelivery", name="Give it up once more"),
        Step(
            "sendWebhookDeliveriesAgain",
            body={"from": "{{earlier}}"},
            checks=["answer.deliveries === 1"],
        ),
        Step("resumeWebhook", checks=["answer.paused_at === null"]),
        Step("removeWebhook"),
    ],
)

_REHEARSALS: Final = Chapter(
    "Rehearsals",
    "owner",
    [
        Step("startRehearsal", body={"buyers": 2, "seconds": 120}, keep={"rehearsal_id": "id"}),
        Step("listRehearsals", checks=["answer.data[0].clean === null"]),
        Step("getRehearsal", checks=["answer.plan.buyers === 2"]),
        Step("stopRehearsal", checks=["answer.report === null"]),
        Step("makeSandbox", body={"buyers": 2}, checks=["answer.buyers.length === 2"]),
        Step("makeFreshSandbox", body={"buyers": 2, "places": 10}, checks=["answer.places === 10"]),
    ],
)

_SEATS: Final = Chapter(
    "Seats",
    "owner",
    [
        Step(
            "createEvent",
            name="Create an event with seats",
            body=_PLACE
            | {
                "title": "Winter night {{run}}",
                "description": "Three acts, with an orchestra.",
                "starts_at": "{{later}}",
                "ends_at": "{{later_ends}}",
                "seating": {"seat_map_id": "{{seat_map_id}}", "zones": [{"name": "Stalls"}]},
                "ticket_types": [
                    {"name": "Stalls", "price": {"amount": 4900, "currency": "EUR"}, "zone": "Stalls"}
                ],
                "conditions": {
                    "payment": "online",
                    "hold_seconds": 600,
                    "refund_windows": [{"hours_before": 24, "basis_points": 10000}],
                },
            },
            keep={"event_id": "id", "ticket_type_id": "ticket_types.0.id"},
        ),
        Step("getSeating", checks=["answer.seats === 30"]),
        Step("putSeating", body={"zones": [{"name": "Stalls", "sections": ["Stalls"]}]}),
        Step("paintSeats", body={"rows": ["Stalls/C"], "zone": "Rear"}),
        Step("blockSeats", body={"seats": ["stalls-c-1"]}),
        Step("unblockSeats", body={"seats": ["stalls-c-1"]}),
        Step("addSeatBlock", body={"name": "Sponsor", "rows": ["Stalls/C"]}, keep={"seat_block_id": "id"}),
        Step("listSeatBlocks", checks=["answer.data.length === 1"]),
        Step("changeSeatBlock", body={"name": "Sponsor: Nordlicht"}),
        Step("removeSeatBlock"),
        Step("publishEvent", name="Publish the event with seats", checks=["answer.state === 'published'"]),
        Step("getSeats", keep={"digest": "layout.digest"}),
        Step("getSeatLayout", checks=["answer.zone_of.length === 30"]),
        Step("getSeatStates"),
        Step("getEventSeatPrices"),
    ],
)


def _place_seats(first: int, name: str) -> Step:
    """Return the step that holds two seats of row A."""
    seats = [f"stalls-a-{first}", f"stalls-a-{first + 1}"]
    line = {"ticket_type_id": "{{ticket_type_id}}", "seats": seats}
    return Step(
        "placeBooking",
        by="buyer",
        name=name,
        body={"lines": [line]},
        keep={"booking_id": "id", "ticket_id": "tickets.0.id"},
        checks=["answer.state === 'held'"],
    )


def _pay(method: str) -> Step:
    return Step(
        "payBooking",
        by="buyer",
        name=f"Pay with the card {method}",
        body={"method": method},
        keep={"payment_id": "id"},
        checks=["['confirmed', 'captured'].includes(answer.state)"],
    )


def _captured() -> Step:
    return Step("getPayment", by="buyer", until="pm.response.json().state === 'captured'")


def _failed_refund() -> Step:
    return Step(
        "listRefunds",
        name="Wait until the refund has failed",
        query={"state": "failed"},
        until="pm.response.json().data.length === 1",
        keep={"refund_id": "data.0.id"},
    )


_MONEY: Final = Chapter(
    "Payments and refunds",
    "owner",
    [
        _place_seats(1, "Hold two seats"),
        Step("extendHold", by="buyer", checks=["answer.extended === true"]),
        _pay("succeeds"),
        Step("listPayments", by="buyer", checks=["answer.data.length === 1"]),
        _captured(),
        Step(
            "exchangeTickets",
            body={"seats": [{"ticket_id": "{{ticket_id}}", "seat": "stalls-b-1"}]},
        ),
        Step("cancelBooking", by="buyer", body={}, checks=["answer.state === 'cancelled'"]),
        _place_seats(1, "Hold the seats again"),
        _pay("refund-fails"),
        _captured(),
        Step("cancelEventBooking", body={}, checks=["answer.state === 'cancelled'"]),
        _failed_refund(),
        Step("retryRefund"),
        _place_seats(3, "Hold two other seats"),
        _pay("refund-fails"),
        _captured(),
        Step("cancelBooking", by="buyer", name="Cancel them", body={}),
        _failed_refund(),
        Step("settleRefund", checks=["answer.state === 'settled'"]),
    ],
)

_WAITLIST: Final = Chapter(
    "Waitlist",
    "friend",
    [
        Step(
            "createEvent",
            by="owner",
            name="Create an event for one",
            body=_PLACE
            | {
                "title": "One chair {{run}}",
                "description": "A concert for one person.",
                "starts_at": "{{later}}",
                "ends_at": "{{later_ends}}",
                "capacity": 1,
                "ticket_types": [{"name": "Chair"}],
            },
            keep={"event_id": "id", "small_id": "id", "ticket_type_id": "ticket_types.0.id"},
        ),
        Step("publishEvent", by="owner", name="Publish the event for one"),
        Step(
            "placeBooking",
            by="buyer",
            name="Book the only chair",
            body=_lines(1),
            keep={"booking_id": "id", "ticket_id": "tickets.0.id"},
        ),
        Step("returnTickets", by="buyer", body={"ticket_ids": ["{{ticket_id}}"]}),
        Step("keepTickets", by="buyer", body={"ticket_ids": ["{{ticket_id}}"]}),
        Step(
            "joinWaitlist",
            body={"ticket_type_id": "{{ticket_type_id}}", "quantity": 1},
            keep={"entry_id": "id"},
            checks=["answer.state === 'waiting'"],
        ),
        Step("listMyWaitlist", checks=["answer.data.length === 1"]),
        Step("listEventWaitlist", by="owner", checks=["answer.data.length === 1"]),
        Step("getWaitlistDepth", by="owner"),
        Step("getEventWaitlistReport", by="owner"),
        Step("cancelBooking", by="buyer", name="Release the chair", body={}),
        Step("getWaitlistEntry", until="pm.response.json().state === 'offered'"),
        Step("acceptOffer", body={}, keep={"booking_id": "id"}),
        Step(
            "joinWaitlist",
            by="buyer",
            name="Wait for the chair as well",
            body={"ticket_type_id": "{{ticket_type_id}}", "quantity": 1},
            keep={"entry_id": "id"},
        ),
        Step("cancelBooking", name="Release the chair again", body={}),
        Step(
            "getWaitlistEntry",
            by="buyer",
            name="Wait for the offer",
            until="pm.response.json().state === 'offered'",
        ),
        Step("declineOffer", by="buyer", body={}, checks=["answer.state === 'withdrawn'"]),
        Step(
            "placeBooking",
            by="buyer",
            name="Book the chair once more",
            body=_lines(1),
            keep={"booking_id": "id"},
        ),
        Step(
            "joinWaitlist",
            name="Join again",
            body={"ticket_type_id": "{{ticket_type_id}}", "quantity": 1},
        ),
        Step("leaveWaitlist"),
        Step(
            "joinWaitlist",
            name="Join a third time",
            body={"ticket_type_id": "{{ticket_type_id}}", "quantity": 1},
            keep={"entry_id": "id"},
        ),
        Step("withdrawWaitlistEntry", by="owner"),
    ],
)

_WAITING_ROOM: Final = Chapter(
    "Waiting room",
    "owner",
    [
        Step(
            "createEvent",
            name="Create an event with a crowd",
            body=_PLACE
            | {
                "title": "Farewell tour {{run}}",
                "description": "The last concert.",
                "starts_at": "{{later}}",
                "ends_at": "{{later_ends}}",
                "on_sale_at": "{{soon}}",
                "capacity": 100,
                "ticket_types": [{"name": "Regular"}],
            },
            keep={"event_id": "id"},
        ),
        Step("publishEvent", name="Publish the event with a crowd"),
        Step(
            "putWaitingRoom",
            body={"opens_minutes_before": 30},
            checks=["answer.stage === 'upcoming'", "answer.seed_hash.length === 64"],
        ),
        Step("removeWaitingRoom"),
        Step(
            "putWaitingRoom",
            name="Put one that is open",
            body={"opens_minutes_before": 1440, "public_source": "drand quicknet, round 14520000"},
            checks=["answer.stage === 'open'"],
        ),
        Step(
            "enterWaitingRoom",
            by="friend",
            keep={"place_token": "token"},
            checks=["answer.state === 'entered'", "answer.late === false"],
        ),
        Step(
            "getPlace",
            by="",
            headers={"Place-Token": "{{place_token}}"},
            checks=["answer.position === null"],
        ),
        Step("getWaitingRoom", by="", until="pm.response.json().entries === 1"),
        Step("getDraw", by="", checks=["answer.seed === null", "answer.data.length === 0"]),
        Step(
            "putPublicValue",
            name="No value is wanted before the list is closed",
            body={"value": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
            status=409,
        ),
    ],
)

_SERIES: Final = Chapter(
    "Series",
    "owner",
    [
        Step(
            "copyEvent",
            body={"title": "One chair, again {{run}}", "starts_at_local": "{{day}}"},
            keep={"event_id": "id"},
        ),
        Step("addDates", body={"starts_at_local": ["{{next_day}}"]}, keep={"series_id": "id"}),
        Step("getSeries", checks=["answer.dates.length === 2"]),
        Step("changeSeries", body={"tags": ["chair"]}),
        Step("publishSeries", checks=["answer.dates.every(each => each.problem === null)"]),
        Step("cancelSeries"),
        Step(
            "copyEvent",
            name="Copy it once more",
            body={"starts_at_local": "{{day}}"},
            keep={"event_id": "id"},
        ),
        Step("deleteEvent", script=[_use("small_id")]),
    ],
)

_ADMINISTRATION: Final = Chapter(
    "Administration",
    "admin",
    [
        Step("getPlatformAnalytics"),
        Step("getPlatformSeries"),
        Step("listMostBookedEvents"),
        Step("listAllEvents"),
        Step("listOrganizers"),
        Step("openOrganizer", body=_REASON),
        Step("listUsers"),
        Step("getUser", path={"person_id": "{{friend_id}}"}),
        Step("editUser", path={"person_id": "{{friend_id}}"}, body={"role": "buyer"} | _REASON),
        Step("lockUser", path={"person_id": "{{friend_id}}"}, body=_REASON),
        Step("unlockUser", path={"person_id": "{{friend_id}}"}, body=_REASON),
        Step("endUserSessions", path={"person_id": "{{friend_id}}"}, body=_REASON),
        Step("describeHealth", checks=["answer.data.length > 5"]),
        Step("listFailedJobs"),
        Step(
            "retryJob",
            name="Only a failed job can be retried",
            path={"job_id": "1"},
            body=_REASON,
            status=409,
        ),
        Step("startAudit", body=_REASON, keep={"run_id": "id"}),
        Step("getAudit", until="pm.response.json().finished_at"),
        Step("listAudits"),
        Step("listActs", checks=["answer.data.length > 3"]),
    ],
)

_END: Final = Chapter(
    "The end",
    "owner",
    [
        Step("previewCancellation", checks=["answer.bookings === 1"]),
        Step("cancelEvent", checks=["answer.state === 'cancelled'"]),
        Step("getCancellation", script=[_use("evening_id")]),
        _version("getPromoCode"),
        Step("retirePromoCode", checks=["answer.retired === true"]),
        _version("getTicketType", path={"ticket_type_id": "{{other_type_id}}"}),
        Step("retireTicketType", path={"ticket_type_id": "{{other_type_id}}"}),
        Step("receiveWebhook", name="An unknown gateway is refused", path={"name": "nobody"}, status=404),
        _login("friend", _RENAMED, _PASSWORD),
        Step("closeAccount", by="friend", query={"confirm": "cancel_tickets"}, body={"password": _PASSWORD}),
        Step("logout", by="buyer"),
    ],
)

WALK: Final = (
    _START,
    _ACCOUNTS,
    _PASSKEYS,
    _ORGANIZERS,
    _VENUES,
    _EVENT,
    _BOOKING,
    _DESK,
    _DOOR,
    _WEBHOOKS,
    _REHEARSALS,
    _SEATS,
    _MONEY,
    _WAITLIST,
    _WAITING_ROOM,
    _SERIES,
    _ADMINISTRATION,
    _END,
)
