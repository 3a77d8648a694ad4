"""Example values for the OpenAPI document, by the name of a field.

A field whose own annotation has an example needs none of these.
"""

from __future__ import annotations

from typing import Any, Final

_SAMPLE: Final = "01m7y4ef72ev2sxmcnxfse27zp"
_PREFIXES: Final = {
    "person": "per",
    "buyer": "per",
    "user": "per",
    "owner": "per",
    "rehearsalbuyer": "per",
    "organizer": "org",
    "api_key": "key",
    "venue": "ven",
    "event": "evt",
    "pool": "pol",
    "ticket_type": "tty",
    "type": "tty",
    "rehearsedtype": "tty",
    "booking": "bkg",
    "ticket": "tkt",
    "ticketdetails": "tkt",
    "ticketevent": "evt",
    "ticketvenue": "ven",
    "session": "ses",
    "passkey": "pky",
    "bookingdetails": "bkg",
    "bookingrefund": "rfd",
    "refund": "rfd",
    "entry": "wle",
    "waitlist_entry": "wle",
    "waitlistentry": "wle",
    "waitlistentrydetails": "wle",
    "eventwaitlistentry": "wle",
    "notification": "ntf",
    "transfer": "trf",
    "seat_map": "smp",
    "promo": "prm",
}
_PAST_INSTANTS: Final = (
    "at",
    "placed_at",
    "created_at",
    "email_verified_at",
    "changed_at",
    "confirmed_at",
    "published_at",
    "since",
    "last_used_at",
    "joined_at",
    "decided_at",
    "last_at",
)
_DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_NO_MONEY: Final = {"amount": 0, "currency": "EUR"}
_NOW: Final = "2027-03-01T09:00:00.125Z"
_START: Final = "2027-05-20T18:00:00Z"
_END: Final = "2027-05-20T21:00:00Z"

_BY_NAME: Final[dict[str, Any]] = {
    **{f"{noun}_id": f"{prefix}_{_SAMPLE}" for noun, prefix in _PREFIXES.items()},
    **dict.fromkeys(_PAST_INSTANTS, _NOW),
    **dict.fromkeys(
        (
            "cancelled_at",
            "revoked_at",
            "erased_at",
            "expires_at",
            "ended_at",
            "read_at",
            "settled_at",
            "offered_at",
            "undone_at",
        ),
        None,
    ),
    **dict.fromkeys(
        (
            "reason",
            "give_back_until",
            "next_release_at",
            "offer_expires_at",
            "promo_code",
            "waitlist_entry_id",
        ),
        None,
    ),
    **dict.fromkeys(("on_sale_at", "from_at"), "2027-03-01T09:00:00Z"),
    **dict.fromkeys(("starts_at", "off_sale_at", "to_at", "tokens_expire_at"), _START),
    "ends_at": _END,
    "starts_at_local": "2027-05-20T20:00:00",
    "ends_at_local": "2027-05-20T23:00:00",
    "new_starts_at": "2027-05-20T19:00:00Z",
    "new_starts_at_local": "2027-05-20T20:00:00",
    "new_ends_at": "2027-05-20T22:00:00Z",
    "new_ends_at_local": "2027-05-20T23:00:00",
    "local_start": "2027-05-20T20:00",
    "reference": "7K3M-9QWE",
    "next_cursor": None,
    "currency": "EUR",
    "title": "Jazz by night",
    "event_title": "Jazz by night",
    "giver_name": "Ada Lovelace",
    "summary": "Four bands in one evening.",
    "description": "Four bands in one evening, and a bar.",
    "image_url": "https://images.example/jazz.jpg",
    "tag": "jazz",
    "name": "Ada Lovelace",
    "venue_name": "Tempodrom",
    "city": "Berlin",
    "time_zone": "Europe/Berlin",
    "email": "ada@example.org",
    "contact_email": "office@concerts.example",
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJwZXIifQ.c2lnbmF0dXJl",
    "refresh_token": "evr_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r7t9v1x3z5b7d9f1h3k5m",
    "hash": _DIGEST,
    **dict.fromkeys(("digest", "map_version"), _DIGEST),
    "head_hash": _DIGEST,
    "blocked_at": "2027-04-02T12:00:00Z",
    "facts_text": '[{"type":"SaleOpened"}]',
    "payment": "online",
    "payment_state": "captured",
    "cancellation_quote": f"/v1/bookings/bkg_{_SAMPLE}/cancellation-quote",
    "cancellable_until": _START,
    "until": "2027-05-13T18:00:00Z",
    **dict.fromkeys(("names_until", "attendee_name_until"), "2027-05-18T22:00:00Z"),
    "until_at": "2027-05-13T18:00:00Z",
    "expected_at": "2027-04-02T12:00:00Z",
    "kind": "offer_made",
    "version": 1,
    "section": "Stalls",
    "seat_label": "Stalls, row C, seat 12",
    "ticket_type_name": "Regular",
    "organizer_name": "Lakeside Concerts",
    "qr_url": f"/v1/tickets/tkt_{_SAMPLE}/qr.svg",
    "pdf_url": f"/v1/bookings/bkg_{_SAMPLE}/tickets.pdf",
    "calendar_url": f"/v1/bookings/bkg_{_SAMPLE}/calendar.ics",
    "wallet_url": f"/v1/tickets/tkt_{_SAMPLE}/wallet",
    "apple_url": f"/v1/tickets/tkt_{_SAMPLE}/wallet/apple.pkpass",
    "google_url": "https://pay.google.com/gp/v/save/eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJnb29nbGUifQ.c2lnbmVk",
    "seat_ids": ["stalls-a-1", "stalls-a-2"],
    "gate": "West gate",
    "result": "accepted",
    "direction": "in",
    "scanned_at": "2027-05-20T17:31:09Z",
    "received_at": "2027-05-20T17:31:09.210Z",
    "opens_at": "2027-05-20T17:00:00Z",
    "closes_at": _END,
    "undo_reason": "",
    "holder_name": "Ada Lovelace",
}
_SMALL_HALL: Final = {
    "name": "Great hall",
    "sections": [
        {
            "name": "Stalls",
            "rows": [{"name": "A", "seats": [{"id": "stalls-a-1", "label": "1", "x": 0.0, "y": 3.0}]}],
        }
    ],
}
_PRETIX_PLAN: Final = {
    "name": "Great hall",
    "categories": [{"name": "Stalls"}],
    "zones": [
        {
            "name": "Stalls",
            "position": {"x": 100, "y": 120},
            "rows": [
                {
                    "row_number": "A",
                    "position": {"x": 0, "y": 0},
                    "seats": [
                        {
                            "seat_guid": "stalls-a-1",
                            "seat_number": "1",
                            "position": {"x": 0, "y": 0},
                            "category": "Stalls",
                        },
                        {
                            "seat_guid": "stalls-a-2",
                            "seat_number": "2",
                            "position": {"x": 25, "y": 0},
                            "category": "Stalls",
                        },
                    ],
                }
            ],
            "areas": [
                {
                    "shape": "rectangle",
                    "position": {"x": -50, "y": -80},
                    "rectangle": {"width": 125, "height": 40},
                    "text": {"text": "Stage", "position": {"x": 62, "y": 20}},
                }
            ],
        }
    ],
}
_WAITLIST_ENTRIES: Final = ("WaitlistEntryView", "WaitlistEntryDetailsView", "EventWaitlistEntryView")
_BY_OWNER: Final[dict[tuple[str, str], Any]] = {
    ("ApiKeyView", "name"): "Gate tablet 3",
    ("NewApiKeyView", "name"): "Gate tablet 3",
    ("OrganizerBody", "name"): "Lakeside Concerts",
    ("OrganizerPatch", "name"): "Lakeside Concerts",
    ("OrganizerView", "name"): "Lakeside Concerts",
    ("HostView", "name"): "Lakeside Concerts",
    ("PoolCounters", "name"): "Floor",
    ("PoolView", "name"): "Floor",
    ("NewPool", "name"): "Floor",
    ("PoolChanges", "name"): "Floor",
    ("TypeView", "name"): "Regular",
    ("OrganizersTypeView", "name"): "Regular",
    ("RehearsedType", "name"): "Regular",
    ("AvailabilityView", "state"): "on_sale",
    ("TypeView", "state"): "on_sale",
    ("OrganizersTypeView", "state"): "on_sale",
    ("BookingView", "state"): "confirmed",
    ("EventView", "state"): "published",
    ("EventCardView", "state"): "published",
    ("MostBookedEventView", "state"): "published",
    ("BookingDetailsView", "state"): "confirmed",
    ("BookingRefundView", "state"): "pending",
    **dict.fromkeys([(owner, "refunded") for owner in ("BookingView", "BookingDetailsView")], None),
    **dict.fromkeys([(owner, "extended") for owner in ("BookingView", "BookingDetailsView")], False),
    **dict.fromkeys(
        [(owner, name) for owner in ("QuotedLine", "QuoteView") for name in ("discount", "fee", "fee_tax")],
        _NO_MONEY,
    ),
    ("TicketView", "discount"): None,
    ("TicketView", "fee"): None,
    ("TicketView", "fee_tax"): None,
    **dict.fromkeys([(owner, "booking_id") for owner in _WAITLIST_ENTRIES], None),
    **dict.fromkeys([(owner, "state") for owner in _WAITLIST_ENTRIES], "waiting"),
    **{
        (owner, "tax"): {"amount": 798, "currency": "EUR"}
        for owner in ("TicketView", "QuotedLine", "QuoteView")
    },
    ("TicketView", "returning"): False,
    ("TicketDetailsView", "returning"): False,
    ("TicketDetailsView", "number"): 1,
    ("TicketDetailsView", "tickets_of_booking"): 2,
    ("TicketDetailsView", "state"): "valid",
    ("TicketEventView", "state"): "published",
    ("TicketVenueView", "name"): "Tempodrom",
    ("TicketVenueView", "address"): "Möckernstraße 10, 10963 Berlin",
    ("TicketVenueView", "country"): "DE",
    ("BookingDetailsView", "refunds"): [],
    ("BookingDetailsView", "latest_payment"): None,
    **dict.fromkeys([(owner, "kind") for owner in ("PromoDraft", "PromoView")], "percent"),
    **dict.fromkeys(
        [
            (owner, "zone")
            for owner in (
                "TypeView",
                "OrganizersTypeView",
                "NewTicketType",
                "AddedTicketType",
                "TicketTypeChanges",
            )
        ],
        None,
    ),
    **dict.fromkeys(
        [
            (owner, "hidden")
            for owner in ("OrganizersTypeView", "NewTicketType", "AddedTicketType", "TicketTypeChanges")
        ],
        False,
    ),
    **{
        (owner, "tax"): {"basis_points": 700, "included": True}
        for owner in ("TypeView", "OrganizersTypeView")
    },
    **dict.fromkeys([("EventBody", "seating"), ("EventView", "seating")], None),
    **dict.fromkeys(
        [
            ("PromoView", name)
            for name in ("amount", "budget", "uses_max", "per_buyer_max", "from_at", "until_at")
        ],
        None,
    ),
    ("PromoView", "retired"): False,
    ("PromoView", "uses"): 12,
    ("SeatMapBody", ""): {"map": _SMALL_HALL},
    ("PretixPlan", ""): _PRETIX_PLAN,
    ("ImportedSeatMapView", "zones"): [{"name": "Stalls", "sections": ["Stalls"], "rows": [], "seats": []}],
    **dict.fromkeys(
        [(owner, "name") for owner in ("SeatMapView", "WholeSeatMapView", "ImportedSeatMapView", "SeatMap")],
        "Great hall",
    ),
    ("Section", "name"): "Stalls",
    ("Row", "name"): "A",
    ("Seat", "id"): "stalls-a-12",
    ("Seat", "label"): "12",
    ("SeatView", "id"): "stalls-a-12",
    ("SeatView", "label"): "Stalls, row A, seat 12",
    (
        "LayoutLink",
        "url",
    ): f"/v1/events/evt_{_SAMPLE}/seats/layout/{_DIGEST}",
    ("SeatsView", "seats"): "0011-0",
    ("SeatsView", "changes"): None,
    ("EmailAddressView", "address"): "ada@example.org",
    **dict.fromkeys([("EmailAddressView", name) for name in ("bounced_at", "bounce")], None),
    ("EveningView", "minutes"): [["2027-03-01T09:00:00Z", 41]],
    ("ZoneTypeView", "id"): f"tty_{_SAMPLE}",
    ("LayoutView", "zones"): ["Stalls", "Balcony"],
    ("LayoutView", "map"): _SMALL_HALL,
    ("TicketView", "state"): "valid",
    **dict.fromkeys(
        [("TicketView", "code"), ("TicketDetailsView", "code")], "01M7Y4EF72EV2SXMCNXFSE27ZP3K5M7P9R1T3V5X7Z"
    ),
    **dict.fromkeys(
        [
            (owner, "expires_at")
            for owner in ("SessionView", "InvitationView", "NewInvitationView", "TransferView")
        ],
        "2027-03-08T09:00:00Z",
    ),
    ("TransferView", "offered_at"): _NOW,
    ("Health", "version"): "0.1.0",
    ("ProofView", "differences"): [],
    ("StateCountView", "kind"): "bookings",
    ("StateCountView", "state"): "confirmed",
    **dict.fromkeys([("StateCountView", name) for name in ("stored", "recomputed")], 120),
    ("BalanceView", "account"): "organizer",
    **dict.fromkeys([("BalanceView", name) for name in ("stored", "recomputed")], -1_450_000),
}


def own_example(owner: str, name: str) -> tuple[Any] | None:
    """Return the example of this field of this schema, in a tuple because it can be None; or None."""
    return (_BY_OWNER[owner, name],) if (owner, name) in _BY_OWNER else None


def named_example(owner: str, name: str) -> tuple[Any] | None:
    """Return the example of any field with this name, in a tuple because it can be None; or None."""
    if name == "id":
        name = f"{owner.removesuffix('View').lower()}_id"
    return (_BY_NAME[name],) if name in _BY_NAME else None
