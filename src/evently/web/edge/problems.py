"""Every way to say no over HTTP (RFC 9457): one table from refusal codes to statuses, and the handlers that turn exceptions into answers.

    PROBLEMS          code -> status, title, explanation; each is documented at /problems/<code>. A new refusal adds its row here (a test
                      looks)
    problems(...)     what a handler declares: `responses=problems(SalesRefusal.SOLD_OUT)`
    problem(...)      the answer for a refusal
    answer_to(...)    the answer for an exception

A status comes from this table alone; no domain knows any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from evently.accounts import AccountsRefusal
from evently.catalogue import CatalogueRefusal
from evently.checkout import CheckoutRefusal
from evently.kit.errors import (
    Busy,
    CommonRefusal,
    FieldError,
    Invalid,
    OutcomeUnknown,
    Refusal,
    Refused,
    Trouble,
    Unavailable,
)
from evently.sales.commands import SalesRefusal
from evently.web.edge.context import Context, Disconnected, Request, Response
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.validation import errors_of

PROBLEM_JSON: Final = "application/problem+json"
_log = structlog.get_logger(__name__)


class ProblemType(NamedTuple):
    """How a refusal looks from outside.

    `explanation` is for the page at /problems/<code>: what happened, what to do.
    """

    status: int
    title: str
    explanation: str


PROBLEMS: Final[dict[str, ProblemType]] = {
    # Everywhere
    EdgeRefusal.MALFORMED: ProblemType(
        400,
        "The request cannot be read",
        "The body is not JSON in UTF-8, or the request breaks the rules of HTTP. `detail` says where. Send it again once it is well "
        "formed.",
    ),
    EdgeRefusal.UNAUTHENTICATED: ProblemType(
        401,
        "Who are you?",
        "The address needs an access token or an API key in `Authorization: Bearer ...`, and there was none, or it is not valid (any "
        "more). "
        "Log in, or refresh the access token.",
    ),
    AccountsRefusal.TOKEN_INVALID: ProblemType(
        401,
        "Not a token that works",
        "The access token or API key is not ours, is damaged, was revoked, or its session has ended. Log in again.",
    ),
    AccountsRefusal.TOKEN_EXPIRED: ProblemType(
        401, "The access token has expired", "Get a new one with the refresh token, and repeat the request."
    ),
    CommonRefusal.FORBIDDEN: ProblemType(
        403,
        "Not yours to do",
        "We know who you are, and your role or the scopes of your API key do not include this. Asking again does not help.",
    ),
    CommonRefusal.NOT_FOUND: ProblemType(
        404,
        "Not there",
        "Nothing is at this address, or it is not yours to see. An id that cannot be one of ours is answered the same way.",
    ),
    EdgeRefusal.METHOD_NOT_ALLOWED: ProblemType(
        405, "Not with this method", "The address exists; `Allow` names the methods it takes."
    ),
    CommonRefusal.STALE: ProblemType(
        412,
        "Somebody was faster",
        "`If-Match` names another version than the present one: the thing was changed since you read it. Read it again, and repeat "
        "your change if it still makes sense.",
    ),
    EdgeRefusal.TOO_LARGE: ProblemType(413, "Too large", "The body is longer than this server takes."),
    EdgeRefusal.ADDRESS_TOO_LONG: ProblemType(
        414, "The address is too long", "The address, its query included, is longer than 8 KiB."
    ),
    EdgeRefusal.MEDIA_TYPE: ProblemType(
        415, "Not JSON", "Send the body as `Content-Type: application/json`."
    ),
    CommonRefusal.INVALID: ProblemType(
        422,
        "Some fields are wrong",
        "The request can be read, and what it says cannot be done. `errors` lists every wrong field: `pointer` is a JSON pointer into "
        "the body (`/tickets/0/quantity`), "
        "`?limit` for the query parameter `limit`, or the name of a header; `detail` says what is wrong.",
    ),
    EdgeRefusal.IF_MATCH_MISSING: ProblemType(
        428,
        "Say which version you edit",
        "Edits need `If-Match` with the `ETag` of what you have read, so that nobody overwrites what somebody else has just written.",
    ),
    EdgeRefusal.RATE_LIMITED: ProblemType(
        429,
        "Too many requests",
        "`RateLimit-Policy` names the limit and `RateLimit` what is left of it. Come back after `Retry-After` seconds.",
    ),
    EdgeRefusal.HEADERS_TOO_LONG: ProblemType(
        431, "The headers are too long", "The headers of the request are longer than 32 KiB together."
    ),
    EdgeRefusal.INTERNAL: ProblemType(
        500,
        "Our mistake",
        "The program is wrong. It was logged under the request id; please tell us that id.",
    ),
    EdgeRefusal.BUSY: ProblemType(
        503,
        "Busy",
        "We are full and have done nothing. Come back after `Retry-After` seconds; with the same Idempotency-Key where you sent one.",
    ),
    EdgeRefusal.DATABASE_UNAVAILABLE: ProblemType(
        503, "The database is away", "Nothing was done. Come back after `Retry-After` seconds."
    ),
    EdgeRefusal.OUTCOME_UNKNOWN: ProblemType(
        503,
        "It may or may not have happened",
        "The connection to the database was lost at the very moment of writing. Repeat the request with the same Idempotency-Key: "
        "you will get the answer of the first one if it has happened, and it will happen now if not.",
    ),
    # Accounts
    AccountsRefusal.WRONG_CREDENTIALS: ProblemType(
        401,
        "No such account",
        "No account has this e-mail and password. Whether the e-mail is known is not said, here as at registration.",
    ),
    AccountsRefusal.REFRESH_TOKEN_INVALID: ProblemType(
        401,
        "Not a refresh token that works",
        "It is not ours, or its session has ended: logged out, expired, or revoked. Log in again.",
    ),
    AccountsRefusal.REFRESH_TOKEN_REUSED: ProblemType(
        401,
        "The refresh token was used before",
        "Each refresh token works once (and, for a lost answer, a few seconds longer). Somebody used this one before, which may be a "
        "thief; so its session has ended. "
        "Log in again.",
    ),
    AccountsRefusal.WRONG_PASSWORD: ProblemType(
        403, "Not your password", "What you ask for needs your present password, and this is another."
    ),
    AccountsRefusal.TOO_MANY_ATTEMPTS: ProblemType(
        429,
        "Too many wrong passwords",
        "From here, or from places that the account does not know, too many passwords were tried. After `Retry-After` seconds the next"
        " one is looked at. "
        "Places where somebody logged in to the account lately are not affected by what strangers try.",
    ),
    AccountsRefusal.LAST_ADMIN: ProblemType(
        409, "The last administrator", "The platform needs one. Make somebody else an administrator first."
    ),
    AccountsRefusal.LAST_OWNER: ProblemType(
        409, "The last owner", "An organizer needs an owner. Make somebody else an owner first."
    ),
    AccountsRefusal.ALREADY_MEMBER: ProblemType(
        409, "A member already", "The person belongs to this organizer. Change their role instead."
    ),
    AccountsRefusal.INVITATION_INVALID: ProblemType(
        422,
        "Not an invitation for you",
        "The code was mistyped, used, withdrawn or has expired, or it was made for another e-mail than that of your account. Ask for a"
        " new one.",
    ),
    AccountsRefusal.LIMIT_REACHED: ProblemType(
        409,
        "As many as there can be",
        "There is a limit to how many of these one person or organizer has; `detail` says which.",
    ),
    # Catalogue
    CatalogueRefusal.NOT_A_DRAFT: ProblemType(
        409,
        "Not a draft",
        "Only a draft can be erased. What was published may have been booked: it is cancelled, and stays to be seen.",
    ),
    CatalogueRefusal.STILL_A_DRAFT: ProblemType(
        409, "Still a draft", "Nobody has seen a draft, so there is nothing to call off. Delete it."
    ),
    CatalogueRefusal.STARTED_ALREADY: ProblemType(
        409,
        "The start has passed",
        "An event is published before it starts. Move its start into the future first.",
    ),
    CatalogueRefusal.ENDED_ALREADY: ProblemType(
        409, "It has taken place", "An event that has ended cannot be called off any more."
    ),
    CatalogueRefusal.VENUE_IN_USE: ProblemType(
        409,
        "The venue has events",
        "Their times on the wall hang on its time zone, which therefore stays. Make another venue, and move the events there.",
    ),
    # Sales
    SalesRefusal.EVENT_NOT_FOUND: ProblemType(
        404,
        "No such event",
        "There is no event with this id that you can see. A draft is seen by its organizer alone.",
    ),
    SalesRefusal.BOOKING_NOT_FOUND: ProblemType(
        404, "No such booking", "There is no booking with this id, or it is somebody else's."
    ),
    SalesRefusal.UNKNOWN_TICKET_TYPE: ProblemType(
        422,
        "No such ticket type",
        "The event has no ticket type with this id, or does not sell it any more. Read the event again.",
    ),
    SalesRefusal.UNKNOWN_TICKET: ProblemType(
        422, "No such ticket", "The booking has no ticket with this id."
    ),
    SalesRefusal.UNKNOWN_POOL: ProblemType(422, "No such pool", "The event has no pool with this id."),
    SalesRefusal.NOT_ON_SALE_YET: ProblemType(
        409,
        "Not on sale yet",
        "The sale of this event or ticket type has not begun; `detail` says when it does.",
    ),
    SalesRefusal.SALE_ENDED: ProblemType(
        409, "The sale has ended", "This event or ticket type is no longer sold."
    ),
    SalesRefusal.EVENT_CANCELLED: ProblemType(
        409,
        "The event is cancelled",
        "It will not take place and sells no more tickets. Its bookings are being cancelled.",
    ),
    SalesRefusal.OVER_BOOKING_LIMIT: ProblemType(
        409,
        "Too many for one booking",
        "The ticket type allows fewer units in one booking; `detail` says how many.",
    ),
    SalesRefusal.OVER_BUYER_LIMIT: ProblemType(
        409,
        "Too many for one buyer",
        "The ticket type allows fewer units for one buyer, over all bookings; `detail` says how many.",
    ),
    SalesRefusal.SOLD_OUT: ProblemType(
        409,
        "Sold out",
        "Fewer units are available than you asked for. Fewer may still be there: look at the availability; tickets also come back when"
        " others cancel.",
    ),
    SalesRefusal.KEY_REUSED: ProblemType(
        422,
        "The key was used for something else",
        "An earlier request with this Idempotency-Key had another body or another address. Take a new key for a new wish.",
    ),
    SalesRefusal.HOLD_EXPIRED: ProblemType(
        409,
        "The hold has run out",
        "The booking was not confirmed in time, and its units have gone back on sale. Book again.",
    ),
    SalesRefusal.ALREADY_CONFIRMED: ProblemType(
        409, "Confirmed already", "The booking is confirmed; there is nothing left to confirm."
    ),
    SalesRefusal.ALREADY_CANCELLED: ProblemType(
        409,
        "Cancelled already",
        "The booking, or a ticket you named, was cancelled before. Nothing was given back twice.",
    ),
    SalesRefusal.TICKET_USED: ProblemType(
        409,
        "The ticket was used",
        "A ticket that has admitted somebody cannot be cancelled. Name the other tickets to cancel those.",
    ),
    SalesRefusal.TOO_LATE_TO_CANCEL: ProblemType(
        409,
        "Too late to cancel",
        "The event has started, or it is later than the organizer lets buyers cancel; the cancellation quote says until when. Ask them.",
    ),
    SalesRefusal.CAPACITY_TAKEN: ProblemType(
        409,
        "More are taken than that",
        "A capacity can be lowered no further than what is held, sold and set aside; `detail` says how many that is.",
    ),
    SalesRefusal.POOL_IN_USE: ProblemType(
        409,
        "The pool is in use",
        "A ticket type draws on this pool, or has sold from it, so it cannot be taken away.",
    ),
    SalesRefusal.TOO_MANY_PARTS: ProblemType(
        409,
        "Too many pools or ticket types",
        "An event has a limited number of them; `detail` says how many.",
    ),
    # Checkout
    CheckoutRefusal.PAYMENT_NOT_FOUND: ProblemType(
        404, "No such payment", "There is no payment with this id, or it is somebody else's."
    ),
    CheckoutRefusal.PAYMENT_PENDING: ProblemType(
        409,
        "A payment is under way",
        "Another payment for this booking is at the gateway, and nobody knows yet what comes of it. `payment_id` names it: look at it "
        "again in a few seconds. When it fails, pay another way; when it succeeds, the booking is confirmed.",
    ),
    CheckoutRefusal.NOTHING_TO_PAY: ProblemType(
        409,
        "Nothing to pay here",
        "The booking is free, is paid at the door, or this installation takes no payments online.",
    ),
    CheckoutRefusal.REFUND_NOT_FAILED: ProblemType(
        409,
        "The refund has not failed",
        "Only a refund that has failed for good is tried anew by hand; any other goes on by itself.",
    ),
    CheckoutRefusal.UNKNOWN_GATEWAY: ProblemType(
        404, "No such gateway", "This installation has no payment gateway of this name."
    ),
    CheckoutRefusal.WEBHOOK_FORGED: ProblemType(
        400,
        "Not signed by the gateway",
        "The signature is missing, wrong or too old for this body. Nothing was believed and nothing was done.",
    ),
    SalesRefusal.NOTHING_TO_SELL: ProblemType(
        409, "Nothing to sell", "An event needs at least one ticket type before it is published."
    ),
    # Seats
    SalesRefusal.UNKNOWN_SEAT: ProblemType(
        422,
        "No such seat",
        "The event's map has no seat, or no section, of this name; `detail` says which. Read the seats of the event again.",
    ),
    SalesRefusal.SEAT_TAKEN: ProblemType(
        409,
        "The seat is taken",
        "Somebody was quicker, or the organizer has taken the seat off the sale; `detail` says which. None of the other seats was taken "
        "for you either: choose again, or leave the choice to us by naming a quantity only.",
    ),
    SalesRefusal.SEAT_OF_ANOTHER_ZONE: ProblemType(
        422,
        "Not a seat of this ticket type",
        "A ticket type sells the seats of one price zone, and the seat is in another, or not for sale at all; `detail` says which.",
    ),
    SalesRefusal.ORPHAN_SEAT: ProblemType(
        409,
        "That would leave a single seat",
        "The organizer wants no single free seat left beside yours, which nobody would book. Move by one, or take that one, too.",
    ),
    SalesRefusal.NOT_SEATED: ProblemType(
        422,
        "This has no seats to choose",
        "The event, or the ticket type, admits without seats. Say how many, without seats, a section or accessible places.",
    ),
    SalesRefusal.SEATS_IN_USE: ProblemType(
        409,
        "Seats are in use",
        "Seats that somebody has, or may have had, keep their map and their zone. Block the others, or sell them as another ticket type.",
    ),
    # Holds and money
    SalesRefusal.ALREADY_EXTENDED: ProblemType(
        409,
        "Extended already",
        "A hold is given its time once more, once. An offer has its own time: accept it first. Pay before `expires_at`.",
    ),
    SalesRefusal.PAYMENT_MISMATCH: ProblemType(
        409,
        "Not what is to be paid",
        "The payment is not of the amount that is due, or another one has confirmed the booking.",
    ),
    SalesRefusal.REFUND_NOT_FOUND: ProblemType(
        404, "No such refund", "There is no refund with this id, or it is that of another booking."
    ),
    # Promo codes
    SalesRefusal.UNKNOWN_PROMO_CODE: ProblemType(
        422,
        "No such promo code",
        "The event has no promo code of this name, or takes it no longer. Upper and lower case do not matter.",
    ),
    SalesRefusal.PROMO_CODE_NOT_VALID: ProblemType(
        409,
        "The promo code is not for this",
        "It is not for this time, or for none of these ticket types; `detail` says which.",
    ),
    SalesRefusal.PROMO_CODE_USED_UP: ProblemType(
        409,
        "The promo code is used up",
        "It was used as often as it may be, by everybody or by you, or what is left of its budget does not suffice for this booking. "
        "It may come back when others cancel.",
    ),
    SalesRefusal.PROMO_CODE_TAKEN: ProblemType(
        409, "The promo code is taken", "The event has a promo code of this name. Take another name."
    ),
    # The waitlist
    SalesRefusal.ENTRY_NOT_FOUND: ProblemType(
        404, "No such waitlist entry", "There is no waitlist entry with this id, or it is somebody else's."
    ),
    SalesRefusal.ALREADY_WAITING: ProblemType(
        409,
        "You are waiting already",
        "One entry for each ticket type: look at it at `GET /v1/me/waitlist`. To wait for another quantity, leave and join again.",
    ),
    SalesRefusal.WAITLIST_FULL: ProblemType(
        409, "The waitlist is full", "More people wait than could ever get something; `detail` says how many."
    ),
    SalesRefusal.NOT_OFFERED: ProblemType(
        409,
        "There is no offer",
        "The entry is still waiting, or its offer was accepted before: then cancel the booking if you do not want it. `detail` says which.",
    ),
    SalesRefusal.OFFER_EXPIRED: ProblemType(
        409,
        "The offer has ended",
        "It was not accepted in time, was declined, or what was offered is gone. The next in line has been asked. Join again to wait on.",
    ),
    SalesRefusal.NOT_SOLD_OUT: ProblemType(
        409,
        "It is not sold out",
        "Tickets are returned to those who wait, and nobody waits for what can be bought. Cancel it instead.",
    ),
    SalesRefusal.NOT_RETURNABLE: ProblemType(
        409,
        "It cannot be returned or kept now",
        "Only tickets of a confirmed booking are returned, and nothing is kept while it is offered to somebody; `detail` says which.",
    ),
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] = []


_BAD_TOKEN: Final = (AccountsRefusal.TOKEN_INVALID, AccountsRefusal.TOKEN_EXPIRED)
_TROUBLE: Final[dict[type[Trouble], EdgeRefusal]] = {
    Busy: EdgeRefusal.BUSY,
    Unavailable: EdgeRefusal.DATABASE_UNAVAILABLE,
    OutcomeUnknown: EdgeRefusal.OUTCOME_UNKNOWN,
}
# What Litestar itself refuses.
_FRAMEWORK: Final[dict[int, Refusal]] = {
    400: EdgeRefusal.MALFORMED,
    401: EdgeRefusal.UNAUTHENTICATED,
    403: CommonRefusal.FORBIDDEN,
    404: CommonRefusal.NOT_FOUND,
    405: EdgeRefusal.METHOD_NOT_ALLOWED,
    413: EdgeRefusal.TOO_LARGE,
    415: EdgeRefusal.MEDIA_TYPE,
}


def problem_of(context: Context, request_id: str, exc: Refused) -> Response[Any]:
    """Return the answer for a refusal. `retry_after` among its extras is also sent as a header."""
    row = PROBLEMS[exc.refusal]
    body: dict[str, object] = {
        "type": f"{context.options.public_url}/problems/{exc.refusal.value}",
        "title": row.title,
        "status": row.status,
        "detail": _as_sentence(exc.detail) if exc.detail else row.explanation,
        "code": exc.refusal.value,
        "request_id": request_id,
    }
    headers = {}
    if isinstance(exc, Invalid):
        body["errors"] = [FieldError(error.pointer, _as_sentence(error.detail)) for error in exc.errors]
    if exc.extra:
        body |= exc.extra
        if "retry_after" in exc.extra:
            headers["retry-after"] = str(exc.extra["retry_after"])
    if row.status == 401:  # noqa: PLR2004
        headers["www-authenticate"] = (
            'Bearer error="invalid_token"' if exc.refusal in _BAD_TOKEN else "Bearer"
        )  # RFC 6750, 3
    return Response(body, status_code=row.status, media_type=PROBLEM_JSON, headers=headers)


def _as_sentence(detail: str) -> str:
    """Return what a domain says, mostly half a sentence, as a whole one."""
    return f"{detail[0].upper()}{detail[1:]}{'' if detail.endswith(('.', '!', '?', '…')) else '.'}"


def problem(request: Request, refusal: Refusal, detail: str = "", **extra: object) -> Response[Any]:
    """Return the answer for a refusal, where so many are refused that an exception would cost too much."""
    return problem_of(request.context, request.exchange.request_id, Refused(refusal, detail, **extra))


def problems(*named: Refusal | str | int) -> dict[int, ResponseSpec]:
    """Return the OpenAPI responses of these refusals or codes; a status stands for every refusal the edge itself has for it."""
    by_status: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for name in named:
        for code in _codes_of(name) if isinstance(name, int) else [str(name)]:
            by_status[PROBLEMS[code].status][code] = None
    return {status: _spec(list(codes)) for status, codes in sorted(by_status.items())}


def _codes_of(status: int) -> list[str]:
    return [
        code.value
        for code, row in PROBLEMS.items()
        if row.status == status and isinstance(code, CommonRefusal | EdgeRefusal)
    ]


def _spec(codes: list[str]) -> ResponseSpec:
    description = "; ".join(f"{PROBLEMS[code].title} (`{code}`)" for code in codes)
    return ResponseSpec(Problem, description=description, media_type=PROBLEM_JSON, generate_examples=False)


def answer_to(request: Request, exc: Exception) -> Response[Any]:
    """Return the answer for whatever a handler raised; what nobody foresaw is logged and answered with 500."""
    context, request_id = request.context, request.exchange.request_id
    if isinstance(exc, Refused):
        return problem_of(context, request_id, exc)
    if isinstance(exc, Trouble):
        _log.warning(
            "trouble", kind=type(exc).__name__, cause=repr(exc.__cause__ or exc), request_id=request_id
        )
        return problem_of(
            context, request_id, Refused(_TROUBLE[type(exc)], str(exc), retry_after=exc.retry_after_seconds)
        )
    if isinstance(exc, ValidationException):
        return problem_of(context, request_id, Invalid(errors_of(exc)))
    if isinstance(exc, HTTPException) and exc.status_code in _FRAMEWORK:
        answer = problem_of(context, request_id, Refused(_FRAMEWORK[exc.status_code]))
        answer.headers = {
            **answer.headers,
            **{name.lower(): value for name, value in (exc.headers or {}).items()},
        }
        return answer
    if isinstance(exc, Disconnected):
        return Response(
            None, status_code=499
        )  # nobody reads it; the access log shows it, as other servers do
    _log.error("bug", request_id=request_id, exc_info=exc)
    return problem_of(context, request_id, Refused(EdgeRefusal.INTERNAL))


HANDLERS: Final[Mapping[int | type[Exception], Any]] = {HTTPException: answer_to, Exception: answer_to}
