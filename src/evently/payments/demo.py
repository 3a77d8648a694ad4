"""The demo gateway: test cards (cards.py) and a page, instead of a bank. It takes no real money.

It plays an outside provider: it has its own rows, keys and short transactions, and a journal of its effects
that tests and the audit compare with our rows. It must never join the transaction of a caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from evently.db import Connection, Database, Record, load_queries
from evently.kit.clock import Clock
from evently.kit.cursors import read_cursor, write_cursor
from evently.kit.denominations import Denomination, iso_denomination
from evently.kit.errors import Trouble
from evently.kit.ids import IdSource, new_id
from evently.kit.together import Together
from evently.payments.cards import LATE_SECONDS, PAGE, Card, card_of
from evently.payments.declines import declined
from evently.payments.gateway import (
    ActionNeeded,
    Authorisation,
    Authorised,
    Captured,
    Forged,
    Found,
    GatewayTrouble,
    Intent,
    Lost,
    Notice,
    NoticePage,
    PaidBack,
    Refunded,
    RefundFailed,
    Refunding,
    Unsettled,
    Voided,
)

State: TypeAlias = Literal[
    "arriving", "waiting", "action_needed", "authorised", "captured", "declined", "lost", "voided"
]
_OUTSIDE: Final = "outside:"  # keys of refunds by another hand
NOTICES_MAX: Final = 100  # in a page
LAST_DIGITS: Final = 4
DEMO_PAGE_PATH: Final = "/pay"  # the path of its page in web/pages

sql: Final = load_queries(__name__)


class DemoCharge(msgspec.Struct, frozen=True):
    """An attempt at the demo gateway, as its page shows it."""

    reference: str
    payment_id: UUID
    attempt: int
    booking_id: UUID
    booking_reference: str
    description: str
    card: str  # the name of the card
    last_digits: str
    state: State
    decline_code: str | None
    return_url: str | None
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    currency: str
    created_at: datetime
    decides_at: datetime | None

    @property
    def key(self) -> str:
        """The key of its authorisation."""
        return f"{self.payment_id}:{self.attempt}:authorise"


class DemoEffect(msgspec.Struct, frozen=True):
    """An effect of the demo gateway: money that it moved, or a refund that failed."""

    reference: str
    key: str
    kind: Literal["authorised", "captured", "voided", "refunded", "refund_failed"]
    amount_minor: int
    at: datetime


class _Capture(NamedTuple):
    """A capture that is asked for."""

    reference: str
    amount_minor: int
    key: str
    at: datetime


class DemoGateway:
    """See `Gateway`. The page of a charge is `page_url/reference`."""

    name = "demo"

    def __init__(
        self, database: Database, clock: Clock, page_url: str = DEMO_PAGE_PATH, ids: IdSource = new_id
    ) -> None:
        self._database = database
        self._clock = clock
        self._page_url = page_url
        self._ids = ids
        self._begun = Together(self._begin_all, lambda charge: (charge.payment_id, charge.attempt))
        self._captured = Together(self._capture_all, lambda capture: capture.reference)

    def denomination(self, currency: str) -> Denomination:
        """Return that of ISO 4217, without limits."""
        return iso_denomination(currency)

    async def authorise(self, intent: Intent) -> Authorisation:
        """Begin a charge with the effect of its card.

        A charge that was captured since is answered as authorised, one that was voided as declined.
        """
        card = PAGE if intent.hosted else card_of(intent.method)
        with _trouble():
            charge = await self._begun.add(self._new_charge(intent, card))
            if charge is not None and card.name == "request-lost":
                raise GatewayTrouble("the demo gateway was not reached", effect_unknown=True)
            if charge is not None and card.name == "answer-lost":
                raise GatewayTrouble("the demo gateway's answer was lost", effect_unknown=True)
            charge = charge or await self._find_attempt(intent)
            assert charge is not None, "it was begun now or before"
            if charge.state == "arriving":
                charge = await self._authorise_now(charge)
        return _authorisation(self._meaning(charge))

    async def find(self, intent: Intent, reference: str | None) -> Found | None:  # noqa: ARG002  # the port's
        """Return the state of an attempt."""
        with _trouble():
            charge = await self._find_attempt(intent)
        return None if charge is None or charge.state == "arriving" else self._meaning(charge)

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured | Lost:
        """Capture reserved money, once."""
        with _trouble():
            capture = _Capture(reference, amount_minor, key, self._clock())
            charge = await self._captured.add(capture)
            if charge is None:  # no money was reserved; a charge that waited may be authorised now
                charge = await self._load(reference)
                if charge is not None and charge.state == "authorised":
                    charge = await self._captured.add(capture) or await self._load(reference)
        if charge is None:
            return Lost(reference, "no such charge")
        if charge.state == "captured":
            return Captured(reference, charge.captured_minor, charge.last_digits or None)
        assert charge.state != "authorised", "the amount is larger than what was reserved"
        return Lost(
            reference,
            "the card failed when it was charged"
            if charge.state == "lost"
            else f"the charge is {charge.state}",
        )

    async def void(self, reference: str, key: str) -> Voided | Captured:
        """Void a charge. A charge that does not exist counts as voided."""
        with _trouble():
            await self._database.fetch(*sql.void_charge(reference=reference, key=key, now=self._clock()))
            charge = await self._load(reference)
        return (
            Captured(reference, charge.captured_minor)
            if charge is not None and charge.state == "captured"
            else Voided(reference)
        )

    async def refund(
        self,
        reference: str,
        amount_minor: int,
        key: str,
        refund_id: UUID,
        *,
        of_rest: bool = False,  # noqa: ARG002  # the port's: a refused call leaves no trace here
    ) -> Refunding:
        """Refund, once for each key. The first refund of one test card fails."""
        with _trouble():
            async with self._database.transaction() as tx:
                charge = await tx.fetchrow(*sql.lock_charge(reference=reference))
                earlier = await tx.fetch(*sql.list_refunds(reference=reference))
                if mine := next((row for row in earlier if row["key"] == key), None):
                    return _refunding(reference, mine, amount_minor, refund_id)
                left = 0 if charge is None else charge["captured_minor"] - charge["refunded_minor"]
                if charge is None or amount_minor > left:
                    return RefundFailed(
                        reference, "too_much", f"At most {left} minor units of this payment can be refunded."
                    )
                # After this point the gateway has decided on the refund.
                kind = "refund_failed" if charge["card"] == "refund-fails" and not earlier else "refunded"
                row = {"key": key, "kind": kind, "amount_minor": amount_minor}
                await tx.execute(*sql.refund_charge(reference=reference, now=self._clock(), **row))
        return _refunding(reference, row, amount_minor, refund_id)

    async def list_paid_back(self, reference: str) -> list[PaidBack]:
        """Return the refunds of a charge that did not fail."""
        with _trouble():
            rows = await self._database.fetch(*sql.list_refunds(reference=reference))
        return [
            PaidBack(
                row["amount_minor"],
                None if row["key"].startswith(_OUTSIDE) else row["key"],
                f"demo_{row['key'].removeprefix(_OUTSIDE)}",
            )
            for row in rows
            if row["kind"] == "refunded"
        ]

    async def list_notices(self, since: datetime, after: str | None) -> NoticePage:
        """Return refunds by another hand, oldest first."""
        at, reference, key = (
            (since, "", "") if after is None else read_cursor(after, tuple[datetime, str, str])
        )
        with _trouble():
            rows = await self._database.fetch(
                *sql.list_outside(at=at, reference=reference, key=key, limit=NOTICES_MAX)
            )
        notices = [
            Notice(
                f"{row['reference']}:{row['key']}",
                "refunded",
                row["reference"],
                row["at"],
                row["payment_id"],
                "refunded",
            )
            for row in rows
        ]
        if len(rows) < NOTICES_MAX:
            return NoticePage(notices, None)
        return NoticePage(notices, write_cursor(tuple(rows[-1].values())[:3]))

    async def find_payment_id(self, reference: str) -> UUID | None:
        """Return our id of the payment of a charge."""
        with _trouble():
            charge = await self._load(reference)
        return None if charge is None else charge.payment_id

    def read_webhook(
        self,
        headers: Mapping[str, str],  # noqa: ARG002  # the port's
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> list[Notice]:
        """Reject every notice: the demo gateway sends none, because its page calls the checkout."""
        raise Forged("the demo gateway sends no notices")

    def storable_method(self, method: str | None) -> str | None:
        """Return the name of the card: a buyer may have typed a real number."""
        return None if method is None else card_of(method).name

    async def close(self) -> None:
        """Close nothing: `app` owns the database."""

    # Its page

    async def find_charge(self, reference: str) -> DemoCharge | None:
        """Return a charge as it is now, for the page."""
        with _trouble():
            return await self._load(reference)

    async def approve(self, reference: str) -> DemoCharge | None:
        """Authorise a charge, as its buyer ordered on the page. Repeated, or too late, it changes nothing."""
        with _trouble():
            charge = await self._load(reference)
            if charge is not None and charge.state == "action_needed":
                charge = await self._authorise_now(charge)
            return charge

    async def decline(self, reference: str) -> DemoCharge | None:
        """Decline a charge, as its buyer ordered on the page."""
        with _trouble():
            await self._database.fetch(*sql.decline_charge(reference=reference, decline_code="not_confirmed"))
            return await self._load(reference)

    async def refund_outside(self, reference: str, amount_minor: int) -> bool:
        """Pay back captured money by another hand, as in a dashboard. False: so much is not left."""
        with _trouble():
            async with self._database.transaction() as tx:
                charge = await tx.fetchrow(*sql.lock_charge(reference=reference))
                if charge is None or amount_minor > charge["captured_minor"] - charge["refunded_minor"]:
                    return False
                await tx.execute(
                    *sql.refund_charge(
                        reference=reference,
                        key=f"{_OUTSIDE}{self._ids().hex}",
                        kind="refunded",
                        amount_minor=amount_minor,
                        now=self._clock(),
                    )
                )
        return True

    # For tests and the audit

    async def list_effects(self, payment_id: UUID) -> list[DemoEffect]:
        """Return the effects of a payment, oldest first."""
        return [
            DemoEffect(**row) for row in await self._database.fetch(*sql.list_effects(payment_id=payment_id))
        ]

    def _new_charge(self, intent: Intent, card: Card) -> DemoCharge:
        now = self._clock()
        digits = "".join(filter(str.isdigit, intent.method or ""))
        return DemoCharge(
            reference=f"demo_{self._ids().hex}",
            payment_id=intent.payment_id,
            attempt=intent.attempt,
            booking_id=intent.booking_id,
            booking_reference=intent.reference,
            description=intent.description,
            card=card.name,
            last_digits=(digits or card.number)[-LAST_DIGITS:],
            state=_first_state(card),
            decline_code=card.decline_code,
            return_url=intent.return_url,
            amount_minor=intent.amount_minor,
            captured_minor=0,
            refunded_minor=0,
            currency=intent.currency,
            created_at=now,
            decides_at=now + timedelta(seconds=LATE_SECONDS) if card.name == "late" else None,
        )

    async def _begin_all(self, charges: Sequence[DemoCharge]) -> list[DemoCharge | None]:
        """Begin charges; None for an attempt that already has one."""
        query = sql.begin_charges(
            references=[charge.reference for charge in charges],
            payment_ids=[charge.payment_id for charge in charges],
            attempts=[charge.attempt for charge in charges],
            booking_ids=[charge.booking_id for charge in charges],
            booking_references=[charge.booking_reference for charge in charges],
            descriptions=[charge.description for charge in charges],
            cards=[charge.card for charge in charges],
            last_digits=[charge.last_digits for charge in charges],
            states=[charge.state for charge in charges],
            decline_codes=[charge.decline_code for charge in charges],
            return_urls=[charge.return_url for charge in charges],
            amounts_minor=[charge.amount_minor for charge in charges],
            currencies=[charge.currency for charge in charges],
            ats=[charge.created_at for charge in charges],
            decide_ats=[charge.decides_at for charge in charges],
            keys=[charge.key for charge in charges],
        )
        return _in_order(await self._database.fetch(*query), [charge.reference for charge in charges])

    async def _capture_all(self, captures: Sequence[_Capture]) -> list[DemoCharge | None]:
        """Capture reserved money; None where none is reserved."""
        references, amounts, keys, ats = map(list, zip(*captures, strict=True))
        query = sql.capture_charges(references=references, amounts_minor=amounts, keys=keys, ats=ats)
        return _in_order(await self._database.fetch(*query), references)

    async def _find_attempt(self, intent: Intent) -> DemoCharge | None:
        return await self._authorise_when_due(
            await self._database.fetch_row(
                *sql.find_attempt(payment_id=intent.payment_id, attempt=intent.attempt)
            ),
        )

    async def _load(self, reference: str) -> DemoCharge | None:
        return await self._authorise_when_due(
            await self._database.fetch_row(*sql.find_charge(reference=reference))
        )

    async def _authorise_when_due(self, row: Record | None) -> DemoCharge | None:
        """Return the charge of a row. A charge that has waited long enough is authorised first."""
        if row is None:
            return None
        charge = DemoCharge(**row)
        if charge.state == "waiting" and charge.decides_at is not None and charge.decides_at <= self._clock():
            return await self._authorise_now(charge)
        return charge

    async def _authorise_now(self, charge: DemoCharge) -> DemoCharge:
        await self._database.fetch(
            *sql.authorise_charge(
                reference=charge.reference, state=charge.state, key=charge.key, now=self._clock()
            ),
        )
        row = await self._database.fetch_row(*sql.find_charge(reference=charge.reference))
        assert row is not None, "charges are never deleted"
        return DemoCharge(**row)

    def _meaning(self, charge: DemoCharge) -> Found:
        match charge.state:
            case "declined":
                assert charge.decline_code is not None, "a constraint of the table"
                return declined(charge.reference, charge.decline_code)
            case "action_needed":
                return ActionNeeded(charge.reference, url=f"{self._page_url}/{charge.reference}")
            case "waiting":
                return Unsettled(charge.reference)
            case "captured":
                return Captured(charge.reference, charge.captured_minor)
            case "voided":
                return Voided(charge.reference)
            case "lost":
                return Lost(charge.reference, "the card failed when it was charged")
            case _:
                return Authorised(charge.reference)


def _in_order(rows: Sequence[Record], references: Sequence[str]) -> list[DemoCharge | None]:
    found = {row["reference"]: DemoCharge(**row) for row in rows}
    return [found.get(reference) for reference in references]


def _first_state(card: Card) -> State:
    if card.decline_code is not None:
        return "declined"
    by_name: dict[str, State] = {
        "page": "action_needed",
        "asks": "action_needed",
        "late": "waiting",
        "request-lost": "arriving",
    }
    return by_name.get(card.name, "authorised")


def _authorisation(found: Found) -> Authorisation:
    """Return the answer of `authorise` for a charge that has ended: it was authorised, or was abandoned."""
    if isinstance(found, Captured):
        return Authorised(found.reference)
    return declined(found.reference, "abandoned") if isinstance(found, Voided | Lost) else found


def _refunding(
    reference: str, row: Mapping[str, object] | Record, amount_minor: int, refund_id: UUID
) -> Refunding:
    if row["amount_minor"] != amount_minor:
        return RefundFailed(reference, "key_reused", "This refund was requested before, with another amount.")
    if row["kind"] == "refund_failed":
        return RefundFailed(
            reference, "card_refused", "The card refused the refund. Another attempt may work."
        )
    return Refunded(reference, f"demo_{refund_id.hex}")


@contextmanager
def _trouble() -> Iterator[None]:
    """Raise trouble of the database as trouble of the gateway: its callers know no database behind it."""
    try:
        yield
    except GatewayTrouble:
        raise
    except (Trouble, TimeoutError) as exc:
        raise GatewayTrouble("the demo gateway cannot be reached", effect_unknown=True) from exc


async def forget_charges(tx: Connection, payment_ids: Sequence[UUID]) -> None:
    """Delete the charges of the payments of a sandbox event that is removed."""
    await tx.execute(*sql.forget_charges(payment_ids=list(payment_ids)))
