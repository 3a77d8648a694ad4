"""The engine's transaction: lock the sales of a batch, load what it needs, write what was decided.

Everything runs on one connection inside one transaction that the caller began. A batch concerns several
events; each has its `Sale` (kept in memory between batches, true while the journal's head is the same) and
its `Batch`. The number of statements never depends on the number of commands, and a rare change costs a
statement only where it happened.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Record, load_queries, lock_by_event
from evently.sales.facts import chain, encode_facts
from evently.sales.loading import Work, load_needs, load_sales
from evently.sales.nouns import Booking
from evently.sales.rules.state import Promo, Sale, SeatClaim

sql: Final = load_queries(__name__)

CLAIMS_MAX: Final = 5_000  # in one statement: its parameters are encoded on the event loop, in 5 ms

_encode_answer: Final = msgspec.msgpack.Encoder().encode
_encode_conditions: Final = msgspec.json.Encoder(order="deterministic").encode


async def lock(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, Record]:
    """Lock the sales of events; return the row of each that there is."""
    rows = await lock_by_event(connection, sql.lock_sales, event_ids)
    return {row["event_id"]: row for row in rows}


async def load(
    connection: Connection,
    works: Sequence[Work],
    locked: Mapping[UUID, Record],
    remembered: Mapping[UUID, Sale],
) -> None:
    """Give each event's part its sale, which is `locked`, and load what its commands need.

    A remembered sale is read again when its hash differs. The time of a batch is never before the last row of
    the journal.
    """
    unknown: list[Sale] = []
    for work in works:
        head = locked.get(work.event_id)
        if head is None:
            continue
        sale = remembered.get(work.event_id)
        # The hash covers the whole history; after a failover, an equal `seq` may be another row
        if sale is None or sale.head_hash != head["head_hash"]:
            sale = Sale(*head.values())  # columns `sale`
            unknown.append(sale)
        work.sale = sale
        # Clocks of several machines may disagree; the time of an event never runs backwards
        work.batch.now = max(work.batch.now, sale.head_at)
    if unknown:
        await load_sales(connection, unknown, remembered)
    await load_needs(connection, works)


async def write(connection: Connection, works: Iterable[Work]) -> None:
    """Write what was decided, and one journal row for each event that has facts."""
    works = [work for work in works if work.batch.writes()]
    for work in works:
        _add_extras(work)
        if work.batch.writes_terms():
            await _write_terms(connection, work)
    if any(work.batch.facts for work in works):
        await connection.execute(
            *sql.write_batch(**_journal(works), **_counters(works), **_placed(works), **_answered(works))
        )
    await _write_changes(connection, works)
    await _write_seats(connection, works)
    await _write_seat_blocks(connection, works)
    await _write_waitlist(connection, works)
    await _write_scans(connection, works)
    await _write_money(connection, works)
    await _write_outside(connection, works)
    await _write_transfers(connection, works)


def _add_extras(work: Work) -> None:
    sale, extras = work.sale, work.batch.extras()
    if sale is not None and extras & ~sale.extras:
        sale.extras |= extras
        work.batch.terms_changed = True


# Almost every batch -----------------------------------------------------------------------------


def _journal(works: Sequence[Work]) -> dict[str, object]:
    rows = []
    for work in works:
        sale, batch = work.sale, work.batch
        if not batch.facts:
            continue
        assert sale is not None, "facts are about a sale"
        facts = encode_facts(batch.facts)
        sale.seq += 1
        sale.head_hash = chain(sale.head_hash, facts)
        sale.head_at = batch.now
        rows.append((sale.event_id, sale.seq, sale.head_hash, sale.head_at, facts))
    return _columns(("head_events", "head_seqs", "head_hashes", "head_ats", "head_facts"), rows)


def _counters(works: Sequence[Work]) -> dict[str, object]:
    rows = []
    for work in works:
        assert work.sale is not None or not work.batch.pools_changed
        for pool_id in work.batch.pools_changed:
            pool = work.sale.pools[pool_id]  # type: ignore[union-attr]
            rows.append((work.event_id, pool_id, pool.held, pool.sold, pool.set_aside))
    return _columns(("pool_events", "pool_ids", "pool_helds", "pool_solds", "pool_set_asides"), rows)


_BOOKING_COLUMNS: Final = (
    "booking_events", "booking_ids", "booking_buyers", "booking_states", "booking_placed_ats",
    "booking_expires_ats", "booking_confirmed_ats", "booking_conditions", "booking_promos", "booking_entries",
    "booking_payments",
)  # fmt: skip
_TICKET_COLUMNS: Final = (
    "ticket_events", "ticket_ids", "ticket_bookings", "ticket_types", "ticket_prices", "ticket_secrets",
    "ticket_discounts", "ticket_surcharges", "ticket_fees", "ticket_taxes", "ticket_fee_taxes",
    "ticket_seats", "ticket_seat_ids", "ticket_seat_labels", "ticket_replaces",
)  # fmt: skip


def _placed(works: Sequence[Work]) -> dict[str, object]:
    bookings: list[tuple[object, ...]] = []
    tickets: list[tuple[object, ...]] = []
    for work in works:
        event_id = work.event_id
        for booking in work.batch.placed:
            booking_id = booking.booking_id
            bookings.append(
                (
                    event_id,
                    booking_id,
                    booking.buyer_id,
                    booking.state,
                    booking.placed_at,
                    booking.expires_at,
                    booking.confirmed_at,
                    booking.conditions_version,
                    booking.promo_id,
                    booking.entry_id,
                    booking.payment,
                )
            )
            tickets.extend(
                [
                    (
                        event_id,
                        ticket.ticket_id,
                        booking_id,
                        ticket.ticket_type_id,
                        ticket.price_minor,
                        ticket.secret,
                        ticket.discount_minor,
                        ticket.surcharge_minor,
                        ticket.fee_minor,
                        ticket.tax_minor,
                        ticket.fee_tax_minor,
                        ticket.seat_number,
                        ticket.seat_id,
                        ticket.seat_label,
                        ticket.replaces,
                    )
                    for ticket in booking.tickets
                ]
            )
    return _columns(_BOOKING_COLUMNS, bookings) | _columns(_TICKET_COLUMNS, tickets)


def _answered(works: Sequence[Work]) -> dict[str, object]:
    rows = []
    for work in works:
        for actor_id, key, answer in work.batch.answered:
            what = answer.what
            booking_id, entry_id = (
                (what.booking_id, None) if isinstance(what, Booking) else (None, what.entry_id)
            )
            rows.append(
                (work.event_id, actor_id, key, answer.fingerprint, booking_id, entry_id, _encode_answer(what))
            )
    return _columns(
        (
            "key_events",
            "key_actors",
            "keys",
            "key_fingerprints",
            "key_bookings",
            "key_entries",
            "key_answers",
        ),
        rows,
    )


# Rare changes ---------------------------------------------------------------------------------------


async def _write_changes(connection: Connection, works: Sequence[Work]) -> None:
    if changed := [
        (
            work.event_id,
            booking.booking_id,
            booking.state,
            booking.expires_at,
            booking.confirmed_at,
            booking.ended_at,
            booking.extended,
            booking.payment,
            booking.payment_id,
            booking.paid_minor,
            booking.captured_at,
            booking.refunded_minor,
            booking.outside_minor,
        )
        for work in works
        for booking in work.batch.changed.values()
    ]:
        names = (
            "event_ids", "booking_ids", "states", "expires_ats", "confirmed_ats", "ended_ats", "extendeds",
            "payments",
            "payment_ids", "paids_minor", "captured_ats", "refundeds_minor", "outsides_minor",
        )  # fmt: skip
        await connection.execute(*sql.update_bookings(**_columns(names, changed)))
    if discounted := [(work.event_id, booking) for work in works for booking in work.batch.discounted]:
        await connection.execute(*sql.discount_offers(**_discounted(discounted)))
    if returning := [
        (work.event_id, ticket_id, since)
        for work in works
        for ticket_id, since in work.batch.returning_changed.items()
    ]:
        columns = _columns(("event_ids", "ticket_ids", "sinces"), returning)
        await connection.execute(*sql.update_returning(**columns))
    if reseated := [
        (work.event_id, ticket_id, ticket.seat_number, ticket.seat_id, ticket.seat_label)
        for work in works
        for ticket_id, ticket in work.batch.reseated.items()
    ]:
        columns = _columns(("event_ids", "ticket_ids", "seat_numbers", "seat_ids", "seat_labels"), reseated)
        await connection.execute(*sql.reseat_tickets(**columns))
    if unbound := [(work.event_id, ticket_id) for work in works for ticket_id in work.batch.unbound]:
        await connection.execute(*sql.unbind_tickets(**_columns(("event_ids", "ticket_ids"), unbound)))
    if voided := [(work.event_id, ticket_id) for work in works for ticket_id in work.batch.voided]:
        await connection.execute(*sql.void_tickets(**_columns(("event_ids", "ticket_ids"), voided)))
    if reasons := [
        (work.event_id, work.sale.seq, *each)
        for work in works
        if work.sale is not None
        for each in work.batch.reasons
    ]:
        columns = _columns(("event_ids", "seqs", "lines", "booking_ids", "reasons"), reasons)
        await connection.execute(*sql.insert_reasons(**columns))
    if replayed := sorted(
        {(work.event_id, actor_id, key) for work in works for actor_id, key in work.batch.replayed}
    ):
        await connection.execute(*sql.count_replays(**_columns(("event_ids", "actor_ids", "keys"), replayed)))


def _discounted(offers: Sequence[tuple[UUID, Booking]]) -> dict[str, object]:
    names = (
        "ticket_events", "ticket_ids", "ticket_discounts", "ticket_surcharges", "ticket_fees", "ticket_taxes",
        "ticket_fee_taxes",
    )  # fmt: skip
    tickets = [
        (
            event_id,
            ticket.ticket_id,
            ticket.discount_minor,
            ticket.surcharge_minor,
            ticket.fee_minor,
            ticket.tax_minor,
            ticket.fee_tax_minor,
        )
        for event_id, booking in offers
        for ticket in booking.tickets
    ]
    bookings = [(event_id, booking.booking_id, booking.promo_id) for event_id, booking in offers]
    return _columns(("event_ids", "booking_ids", "promo_ids"), bookings) | _columns(names, tickets)


async def _write_seats(connection: Connection, works: Sequence[Work]) -> None:
    for claims in _some_claims(works):
        if released := [(event_id, number) for event_id, number, claim in claims if claim.was_taken]:
            await connection.execute(*sql.release_seats(**_columns(("event_ids", "seat_numbers"), released)))
    for claims in _some_claims(works):
        claimed = [(event_id, number, claim.ticket_id) for event_id, number, claim in claims if claim.taken]
        columns = _columns(("event_ids", "seat_numbers", "ticket_ids"), claimed)
        await connection.execute(*sql.claim_seats(**columns, **_available_seats(works)))


async def _write_seat_blocks(connection: Connection, works: Sequence[Work]) -> None:
    for work in works:
        for block_id in work.batch.seat_blocks_changed:
            assert work.sale is not None, "a block belongs to a sale"
            block = work.sale.seat_blocks.get(block_id)
            if block is None:
                await connection.execute(*sql.remove_seat_block(event_id=work.event_id, block_id=block_id))
                continue
            stored = {"name": block.terms.name, "until": block.terms.until, "blocked_at": block.blocked_at}
            await connection.execute(
                *sql.put_seat_block(
                    event_id=work.event_id, block_id=block_id, seats=sorted(block.seats), **stored
                )
            )


def _some_claims(works: Sequence[Work]) -> Iterator[list[tuple[UUID, int, SeatClaim]]]:
    """Yield the claims of a batch, some at a time."""
    claims = ((work.event_id, number, claim) for work in works for number, claim in work.batch.claims.items())
    while some := list(islice(claims, CLAIMS_MAX)):
        yield some


def _available_seats(works: Sequence[Work]) -> dict[str, object]:
    rows = []
    for work in works:
        if work.batch.claims:
            assert work.sale is not None, "seats belong to a sale"
            assert work.sale.hall is not None, "seats belong to the seating"
            left = ",".join(map(str, work.sale.hall.available_by_zone()))
            rows.append((work.event_id, f"{{{left}}}"))
    return _columns(("counted_events", "availables"), rows)


async def _write_waitlist(connection: Connection, works: Sequence[Work]) -> None:
    entries = [(work.event_id, entry) for work in works for entry in work.batch.entries_changed.values()]
    new = {entry.entry_id for work in works for entry in work.batch.entries_joined}
    # Before `insert_entries`: a buyer may leave and join again in one batch, and has one live entry at a time
    if changed := [
        (
            event_id,
            entry.entry_id,
            entry.state,
            entry.reason,
            entry.offered_at,
            entry.booking_id,
            entry.ended_at,
        )
        for event_id, entry in entries
        if entry.entry_id not in new
    ]:
        names = ("event_ids", "entry_ids", "states", "reasons", "offered_ats", "booking_ids", "ended_ats")
        await connection.execute(*sql.update_entries(**_columns(names, changed)))
    if joined := [
        msgspec.structs.astuple(work.batch.entries_changed.get(entry.entry_id, entry))
        for work in works
        for entry in work.batch.entries_joined
    ]:
        columns = (
            "event_ids", "entry_ids", "buyer_ids", "ticket_type_ids", "quantities", "states", "reasons",
            "joined_ats", "joined_seqs", "offered_ats", "booking_ids", "ended_ats", "promo_ids",
        )  # fmt: skip
        await connection.execute(*sql.insert_entries(**_columns(columns, joined)))
    if aside := [
        (work.event_id, type_id, work.sale.set_asides[type_id])
        for work in works
        if work.sale is not None
        for type_id in work.batch.set_asides_changed
    ]:
        await connection.execute(
            *sql.put_set_asides(**_columns(("event_ids", "ticket_type_ids", "units"), aside))
        )


async def _write_transfers(connection: Connection, works: Sequence[Work]) -> None:
    # Before `insert_transfers`: a ticket has one open transfer at a time
    new = {transfer.transfer_id for work in works for transfer in work.batch.transfers_offered}
    if ended := [
        (work.event_id, each.transfer_id, each.state, each.receiver_id, each.ended_at)
        for work in works
        for each in work.batch.transfers_changed.values()
        if each.transfer_id not in new
    ]:
        names = ("event_ids", "transfer_ids", "states", "receiver_ids", "ended_ats")
        await connection.execute(*sql.end_transfers(**_columns(names, ended)))
    if offered := [
        msgspec.structs.astuple(work.batch.transfers_changed[each.transfer_id])
        for work in works
        for each in work.batch.transfers_offered
    ]:
        columns = (
            "event_ids", "transfer_ids", "booking_ids", "ticket_ids", "giver_ids", "addresses", "states",
            "offered_ats", "expires_ats", "receiver_ids", "ended_ats",
        )  # fmt: skip
        await connection.execute(*sql.insert_transfers(**_columns(columns, offered)))
    if voided := [
        (work.event_id, ticket_id, secret, work.batch.now)
        for work in works
        for ticket_id, secret in work.batch.codes_voided
    ]:
        codes = _columns(("event_ids", "ticket_ids", "secrets", "voided_ats"), voided)
        await connection.execute(*sql.void_codes(**codes))
        reissued = [
            (work.event_id, ticket_id, *each)
            for work in works
            for ticket_id, each in work.batch.reissued.items()
        ]
        codes = _columns(("event_ids", "ticket_ids", "holder_ids", "secrets"), reissued)
        await connection.execute(*sql.reissue_tickets(**codes))


async def _write_scans(connection: Connection, works: Sequence[Work]) -> None:
    new = {scan.scan_id for work in works for scan in work.batch.scanned}
    if rows := [
        (work.event_id, *msgspec.structs.astuple(work.batch.undone.get(scan.scan_id, scan)))
        for work in works
        for scan in work.batch.scanned
    ]:
        await connection.execute(*sql.insert_scans(**_columns(_SCAN_COLUMNS, rows)))
    if undone := [
        (work.event_id, scan.scan_id, scan.undone_at, scan.undone_by, scan.undo_reason)
        for work in works
        for scan in work.batch.undone.values()
        if scan.scan_id not in new
    ]:
        columns = _columns(("event_ids", "scan_ids", "undone_ats", "undone_bys", "undo_reasons"), undone)
        await connection.execute(*sql.undo_scans(**columns))
    changed = [(work.event_id, *each) for work in works for each in work.batch.check_ins_changed.items()]
    if gone := [(event_id, ticket_id) for event_id, ticket_id, check_in in changed if check_in is None]:
        await connection.execute(*sql.remove_check_ins(**_columns(("event_ids", "ticket_ids"), gone)))
    if current := [
        (event_id, *msgspec.structs.astuple(check_in)) for event_id, _, check_in in changed if check_in
    ]:
        names = ("event_ids", "ticket_ids", "entries", "insides", "scan_ids", "checked_in_ats")
        await connection.execute(*sql.put_check_ins(**_columns(names, current)))
    if used := [(work.event_id, *each) for work in works for each in work.batch.used_changed.items()]:
        await connection.execute(*sql.use_tickets(**_columns(("event_ids", "ticket_ids", "states"), used)))


_SCAN_COLUMNS: Final = (
    "event_ids", "scan_ids", "ticket_ids", "directions", "results", "gates", "scanners", "scanned_ats",
    "received_ats", "offlines", "undone_ats", "undone_bys", "undo_reasons",
)  # fmt: skip


async def _write_outside(connection: Connection, works: Sequence[Work]) -> None:
    # Before `insert_outside`: a refund whose amount has changed is one that is reversed and one that is new
    if gone := [
        (work.event_id, refund_id, work.batch.now)
        for work in works
        for refund_id in work.batch.outside_reversed
    ]:
        await connection.execute(
            *sql.reverse_outside(**_columns(("event_ids", "refund_ids", "reversed_ats"), gone))
        )
    if new := [
        (
            work.event_id,
            refund_id,
            each.booking_id,
            each.refund.kind,
            each.refund.reference,
            each.refund.amount_minor,
            work.batch.now,
            None if each.lasts else work.batch.now,
        )
        for work in works
        for refund_id, each in work.batch.outside_recorded.items()
    ]:
        names = (
            "event_ids", "refund_ids", "booking_ids", "kinds", "refs", "amounts_minor", "recorded_ats",
            "reversed_ats",
        )  # fmt: skip
        await connection.execute(*sql.insert_outside(**_columns(names, new)))


async def _write_money(connection: Connection, works: Sequence[Work]) -> None:
    if decided := [
        (work.event_id, refund.refund_id, refund.booking_id, refund.amount_minor, refund.decided_at)
        for work in works
        for refund in work.batch.refunds_decided
    ]:
        columns = _columns(
            ("event_ids", "refund_ids", "booking_ids", "amounts_minor", "decided_ats"), decided
        )
        await connection.execute(*sql.insert_refunds(**columns))
    if settled := [
        (work.event_id, refund_id, work.batch.now)
        for work in works
        for refund_id in work.batch.refunds_settled
    ]:
        await connection.execute(
            *sql.settle_refunds(**_columns(("event_ids", "refund_ids", "settled_ats"), settled))
        )
    if posted := [
        (work.event_id, work.sale.seq, line, work.batch.now, *posting, work.sale.currency)
        for work in works
        if work.sale is not None
        for line, posting in enumerate(work.batch.postings)
    ]:
        columns = _columns(
            (
                "event_ids",
                "seqs",
                "lines",
                "ats",
                "booking_ids",
                "debits",
                "credits",
                "amounts_minor",
                "currencies",
            ),
            posted,
        )
        await connection.execute(*sql.insert_postings(**columns))
    if promos := [
        (work.event_id, promo.terms.promo_id, promo.uses, promo.spent_minor)
        for work in works
        if work.sale is not None
        for promo in _promos(work.sale, work.batch.promos_changed - work.batch.promos_put)
    ]:
        await connection.execute(
            *sql.count_promos(**_columns(("event_ids", "promo_ids", "uses", "spents_minor"), promos))
        )


# The sale itself --------------------------------------------------------------------------------------------


async def _write_terms(connection: Connection, work: Work) -> None:
    sale, batch = work.sale, work.batch
    assert sale is not None, "terms belong to a sale"
    window = {
        "event_id": sale.event_id,
        "state": sale.state,
        "on_sale_at": sale.on_sale_at,
        "off_sale_at": sale.off_sale_at,
    }
    if batch.created:
        head = {
            "currency": sale.currency,
            "head_hash": sale.head_hash,
            "head_at": sale.head_at,
            "extras": sale.extras,
        }
        await connection.execute(*sql.create_sale(**window, **head))
    elif batch.terms_changed:
        await connection.execute(*sql.change_sale(**window, extras=sale.extras))
    if batch.pools_put:
        pools = [sale.pools[pool_id] for pool_id in batch.pools_put]
        rows = [
            (pool.pool_id, pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside) for pool in pools
        ]
        names = ("pool_ids", "names", "capacities", "helds", "solds", "set_asides")
        await connection.execute(*sql.put_pools(event_id=sale.event_id, **_columns(names, rows)))
    if batch.pools_removed:
        await connection.execute(*sql.remove_pools(event_id=sale.event_id, pool_ids=batch.pools_removed))
    for ticket_type_id in batch.types_changed:
        terms = msgspec.structs.asdict(sale.ticket_types[ticket_type_id])
        await connection.execute(*sql.put_ticket_type(event_id=sale.event_id, **terms))
    for version in batch.conditions_put:
        conditions = _encode_conditions(sale.conditions[version])
        await connection.execute(
            *sql.put_conditions(event_id=sale.event_id, version=version, conditions=conditions)
        )
    first = len(sale.reschedulings) - batch.rescheduled
    for number, each in enumerate(sale.reschedulings[first:], start=first + 1):
        what = {"starts_before": each.starts_before, "starts_at": each.starts_at}
        await connection.execute(
            *sql.add_rescheduling(
                event_id=sale.event_id,
                number=number,
                rescheduled_at=each.at,
                place_changed=each.place_changed,
                **what,
            )
        )
    for promo in _promos(sale, batch.promos_put):
        used = {"uses": promo.uses, "spent_minor": promo.spent_minor}
        await connection.execute(
            *sql.put_promo(event_id=sale.event_id, **msgspec.structs.asdict(promo.terms), **used)
        )
    if (seating := batch.seating_put) is not None:
        layout = await asyncio.to_thread(zlib.compress, seating.layout)
        assert sale.hall is not None, "the seating was put"
        stored = {"layout": layout, "zones": seating.zones, "zone_of": seating.zone_of}
        stored["available"] = sale.hall.available_by_zone()
        await connection.execute(*sql.put_seating(event_id=sale.event_id, digest=seating.digest, **stored))


def _promos(sale: Sale, promo_ids: set[UUID]) -> list[Promo]:
    return [promo for promo in sale.promos.values() if promo.terms.promo_id in promo_ids]


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Turn rows into one array for each name."""
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return dict(zip(names, columns, strict=True))
