"""Ids: UUIDv7 inside (RFC 9562), a prefix and 26 characters of Crockford base32 outside.

An example: `evt_01m7y4ef72ev2sxmcnxfse27zp`.

The text is what the TypeID specification describes: 128 bits, most significant first, padded with two zero
bits.

    EventId, BookingId, ...   what a route or a body declares: the edge reads the text, the domain gets a UUID
    PoolReference, ...        what a body declares when the rules say whether it exists
    new_id, show_id           make an id, and show one
    find_id, parse_id         read an id outside a route
    read_id                   the hook with which msgspec reads ids (`dec_hook`)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias
from uuid import UUID

import uuid_utils
from asyncpg.pgproto.pgproto import UUID as FastUUID  # noqa: N811  # a uuid.UUID in C: made, hashed and sent 3 times faster

from evently.kit.errors import CommonRefusal, Refused

IdSource = Callable[[], UUID]

NO_ID: Final = UUID(int=0)  # the id of nothing: no row has it

CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [high + low for high in CROCKFORD for low in CROCKFORD]  # ten bits at a time
# From Crockford's digits to those that `int` reads, in C; everything else becomes what it refuses.
_DIGITS: Final = dict(zip(CROCKFORD.encode(), b"0123456789abcdefghijklmnopqrstuv", strict=True))
_TO_DIGITS: Final = bytes(_DIGITS.get(code, ord("!")) for code in range(256))
_HALVES: Final = struct.Struct(">QQ")
_SECRET: Final = struct.Struct(">QH")
_TEXT_LENGTH: Final = 26
_SECRET_LENGTH: Final = 16
_REFERENCE_LENGTH: Final = 8
_REFERENCE_BYTES: Final = 5
_HEARD: Final = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})
_JSON_NAMES: Final = {int: "int", float: "float", bool: "bool", type(None): "null", list: "array"}


def new_id() -> UUID:
    """Return a UUIDv7: time-ordered, unique, no secret."""
    made: UUID = FastUUID(uuid_utils.uuid7().bytes)
    return made


def show_id(prefix: str, value: UUID) -> str:
    """Return the public form of an id; `prefix` comes without its underscore."""
    high, low = _HALVES.unpack(value.bytes)
    pairs = _PAIRS
    return (
        f"{prefix}_{pairs[high >> 56]}"
        f"{pairs[high >> 46 & 1023]}{pairs[high >> 36 & 1023]}{pairs[high >> 26 & 1023]}"
        f"{pairs[high >> 16 & 1023]}{pairs[high >> 6 & 1023]}{pairs[(high & 63) << 4 | low >> 60]}"
        f"{pairs[low >> 50 & 1023]}{pairs[low >> 40 & 1023]}{pairs[low >> 30 & 1023]}"
        f"{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def find_id(prefix: str, text: str) -> UUID | None:
    """Return the id that `text` shows, or None where it is no id of that prefix."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _TEXT_LENGTH or not tail.isascii():
        return None
    try:
        number = int(tail.encode().translate(_TO_DIGITS), 32)
    except ValueError:
        return None
    if number >> 128:
        return None
    found: UUID = FastUUID(number.to_bytes(16, "big"))
    return found


def find_uuid(text: str) -> UUID | None:
    """Return the UUID in a text, or None: what devices of others make has no prefix."""
    try:
        return FastUUID(text)
    except ValueError:
        return None


def parse_id(prefix: str, text: str) -> UUID:
    """Return the id that `text` shows; refuses with `not-found`, for an id that cannot exist is not there."""
    found = find_id(prefix, text)
    if found is None:
        raise Refused(CommonRefusal.NOT_FOUND, "not_an_id", text=text[:80], prefix=prefix)
    return found


class _IdType(type):
    """Makes every UUID an instance of an id type: what a type names is a prefix, and only text has one."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, UUID)


class PrefixedId(UUID, metaclass=_IdType):
    """A type for annotations: clients see text with a prefix, our code has a plain UUID.

    No instance is ever made: `read_id` returns the driver's UUID, which is written in C. Instances of a
    subclass of `uuid.UUID` were measured at 0.3 us more for each id that is read, and 0.2 us more for each
    look-up in a dict.
    """

    prefix: ClassVar[str]
    unknown: ClassVar[UUID | None] = None  # what text that is no id is read as; None: such text is an error


class AuditRunId(PrefixedId):
    """The id of an audit that an administrator asked for."""

    prefix = "aud"


class ApiKeyId(PrefixedId):
    """The id of an API key."""

    prefix = "key"


class BookingId(PrefixedId):
    """The id of a booking."""

    prefix = "bkg"


class DeviceId(PrefixedId):
    """The id of a device that gets pushes."""

    prefix = "dev"


class EventId(PrefixedId):
    """The id of an event."""

    prefix = "evt"


class InvitationId(PrefixedId):
    """The id of an invitation."""

    prefix = "inv"


class RehearsalId(PrefixedId):
    """The id of a rehearsal."""

    prefix = "rhs"


class ScannerId(PrefixedId):
    """The id of a device at a door."""

    prefix = "scn"


class MessageId(PrefixedId):
    """The id of an e-mail."""

    prefix = "msg"


class NotificationId(PrefixedId):
    """The id of a notification."""

    prefix = "ntf"


class OrganizerId(PrefixedId):
    """The id of an organizer."""

    prefix = "org"


class PaymentId(PrefixedId):
    """The id of a payment."""

    prefix = "pay"


class PersonId(PrefixedId):
    """The id of a person."""

    prefix = "per"


class PoolId(PrefixedId):
    """The id of a pool."""

    prefix = "pol"


class PromoCodeId(PrefixedId):
    """The id of a promo code."""

    prefix = "prm"


class PasskeyId(PrefixedId):
    """The id of a passkey."""

    prefix = "pky"


class QuestionId(PrefixedId):
    """The id of a question to buyers."""

    prefix = "qst"


class RefundId(PrefixedId):
    """The id of a refund."""

    prefix = "rfd"


class SeatBlockId(PrefixedId):
    """The id of a block of seats."""

    prefix = "blk"


class SeatMapId(PrefixedId):
    """The id of a seat map."""

    prefix = "smp"


class SessionId(PrefixedId):
    """The id of a session."""

    prefix = "ses"


class SeriesId(PrefixedId):
    """The id of a series of events."""

    prefix = "ser"


class TicketId(PrefixedId):
    """The id of a ticket."""

    prefix = "tkt"


class TicketTypeId(PrefixedId):
    """The id of a ticket type."""

    prefix = "tty"


class TransferId(PrefixedId):
    """The id of a transfer."""

    prefix = "trf"


class WebhookId(PrefixedId):
    """The id of a webhook."""

    prefix = "whk"


class WebhookDeliveryId(PrefixedId):
    """The id of a delivery to a webhook, and of its message."""

    prefix = "whd"


class VenueId(PrefixedId):
    """The id of a venue."""

    prefix = "ven"


class WaitlistEntryId(PrefixedId):
    """The id of a waitlist entry."""

    prefix = "wle"


# A reference names a part of something in a body. Text that is no id is read as an id that no part has, so
# that the rules report it together with all other wrong fields. In Python a reference is a UUID like any
# other.
if TYPE_CHECKING:
    PoolReference: TypeAlias = UUID
    QuestionReference: TypeAlias = UUID
    SeatMapReference: TypeAlias = UUID
    TicketReference: TypeAlias = UUID
    TicketTypeReference: TypeAlias = UUID
    VenueReference: TypeAlias = UUID
else:

    class PoolReference(PoolId):
        """A pool that a body names."""

        unknown = NO_ID

    class QuestionReference(QuestionId):
        """A question that a body names."""

        unknown = NO_ID

    class SeatMapReference(SeatMapId):
        """A seat map that a body names."""

        unknown = NO_ID

    class TicketReference(TicketId):
        """A ticket that a body names."""

        unknown = NO_ID

    class TicketTypeReference(TicketTypeId):
        """A ticket type that a body names."""

        unknown = NO_ID

    class VenueReference(VenueId):
        """A venue that a body names."""

        unknown = NO_ID


def read_id(shape: type[Any], value: object) -> UUID:
    """Return the id in a value from JSON or a query; raise ValueError, as msgspec expects of hooks."""
    assert issubclass(shape, PrefixedId), f"msgspec cannot read {shape}"
    if not isinstance(value, str):
        wrong = _JSON_NAMES.get(type(value), "object")
        raise ValueError(f"Expected `str`, got `{wrong}`")  # noqa: TRY004  # msgspec adds the pointer
    found = find_id(shape.prefix, value) or shape.unknown
    if found is None:
        raise ValueError(f"Is not an id of the form {shape.prefix}_…")
    return found


def reference_of(booking_id: UUID) -> str:
    """Return the short reference that people read aloud: the last 8 characters of the id, as `7K3M-9QWE`.

    The last 40 bits of our UUIDv7 are random and counted within a millisecond, so two bookings of one event
    practically never share it.
    """
    text = show_id("bkg", booking_id)[-8:].upper()
    return f"{text[:4]}-{text[4:]}"


def read_reference(text: str) -> bytes | None:
    """Return the end of a booking's id that a reference shows, or None where it is no reference.

    Dashes and spaces do not count; letters that are not in the alphabet are read as the digits that they look
    like, as Crockford says.
    """
    plain = text.lower().translate(_HEARD)
    if len(plain) != _REFERENCE_LENGTH or not plain.isascii():
        return None
    try:
        return int(plain.encode().translate(_TO_DIGITS), 32).to_bytes(_REFERENCE_BYTES, "big")
    except ValueError:
        return None


def show_secret(secret: bytes) -> str:
    """Return 10 random bytes as 16 upper-case characters."""
    high, low = _SECRET.unpack(secret)
    pairs = _PAIRS
    return (
        f"{pairs[high >> 54]}{pairs[high >> 44 & 1023]}{pairs[high >> 34 & 1023]}{pairs[high >> 24 & 1023]}"
        f"{pairs[high >> 14 & 1023]}{pairs[high >> 4 & 1023]}{pairs[(high & 15) << 6 | low >> 10]}"
        f"{pairs[low & 1023]}"
    ).upper()


def read_secret(text: str) -> bytes | None:
    """Return the 10 bytes that 16 lower-case characters show, or None when they show none."""
    if len(text) != _SECRET_LENGTH or not text.isascii():
        return None
    try:
        return int(text.encode().translate(_TO_DIGITS), 32).to_bytes(_SECRET.size, "big")
    except ValueError:
        return None


def crockford(value: bytes) -> str:
    """Return bytes as upper-case Crockford base32, most significant bit first, padded at the front."""
    number = int.from_bytes(value, "big")
    length = -(-len(value) * 8 // 5)
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in reversed(range(length))).upper()
