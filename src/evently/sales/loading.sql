-- What a batch needs before it is decided. Each statement takes the events of a batch as arrays. All run
-- under the locks of the sales, as statements of their own after the lock: they must see what the previous
-- holder committed.

-- name: load_pools
-- The pools of events that are not in memory.
SELECT event_id, {pool}
FROM pools
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, pool_id;

-- name: load_ticket_types
-- The ticket types of events that are not in memory.
SELECT event_id, {ticket_type}
FROM ticket_types
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, position, ticket_type_id;

-- name: load_next_expiries
-- When the next hold expires, of events that are not in memory.
SELECT event_id, min(expires_at) AS next_expiry_at
FROM bookings
WHERE event_id = ANY(:event_ids::uuid[]) AND state = 'held'
GROUP BY event_id;

-- name: load_due
-- The bookings whose hold has expired, oldest first, at most :due_max of each event. One event at a time
-- along bookings_held_ix: when a hundred thousand holds expire at once, each batch reads only what it
-- expires.
SELECT sales.event_id, due.booking_id
FROM sales
CROSS JOIN LATERAL (
    SELECT bookings.booking_id
    FROM bookings
    WHERE
        bookings.event_id = sales.event_id
        AND bookings.state = 'held'
        AND bookings.expires_at
        <= (:nows::timestamptz[])[array_position(:event_ids::uuid[], sales.event_id)]
    ORDER BY bookings.expires_at, bookings.booking_id
    LIMIT :due_max
) AS due
WHERE sales.event_id = ANY(:event_ids::uuid[]);

-- name: load_bookings
-- The bookings that commands name, and those whose hold is due.
SELECT {bookings.booking}
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS named (event_id, booking_id)
INNER JOIN bookings ON bookings.event_id = named.event_id AND bookings.booking_id = named.booking_id
/* routed: WHERE bookings.event_id = ANY(:event_ids) */;

-- name: load_tickets
-- The tickets of bookings that are loaded.
SELECT tickets.event_id, tickets.booking_id, {tickets.ticket}
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS named (event_id, booking_id)
INNER JOIN tickets ON tickets.event_id = named.event_id AND tickets.booking_id = named.booking_id
/* routed: WHERE tickets.event_id = ANY(:event_ids) */
ORDER BY tickets.ticket_id;

-- name: load_answers
-- The outcomes of earlier requests with the idempotency keys of a batch.
SELECT
    answers.event_id, answers.actor_id, answers.key, answers.fingerprint, answers.answer,
    answers.entry_id IS NOT NULL AS of_entry
FROM unnest(:event_ids::uuid[], :actor_ids::uuid[], :keys::text[]) AS named (event_id, actor_id, key)
INNER JOIN idempotency_keys AS answers
    ON answers.event_id = named.event_id AND answers.actor_id = named.actor_id AND answers.key = named.key
/* routed: WHERE answers.event_id = ANY(:event_ids) */;

-- name: load_buyer_units
-- The live units of buyers of ticket types with a limit per buyer: a row for each of their live bookings. The
-- limit keeps the number small. The tickets are read booking by booking, because a planner that knows nothing
-- of a new event may join all its tickets with all of them (measured: 75 ms for 200 buyers and 200 tickets).
SELECT
    bookings.event_id,
    bookings.buyer_id,
    ARRAY(
        SELECT tickets.ticket_type_id
        FROM tickets
        WHERE
            tickets.event_id = bookings.event_id
            AND tickets.booking_id = bookings.booking_id
            AND tickets.state != 'void'
            AND tickets.ticket_type_id = ANY(:ticket_type_ids::uuid[])
    ) AS ticket_type_ids
FROM unnest(:event_ids::uuid[], :buyer_ids::uuid[]) AS named (event_id, buyer_id)
INNER JOIN bookings ON bookings.event_id = named.event_id AND bookings.buyer_id = named.buyer_id
WHERE bookings.state IN ('held', 'confirmed') /* routed: AND bookings.event_id = ANY(:event_ids) */;

-- name: load_received_units
-- How many units buyers hold that were passed on to them, of ticket types with a limit per buyer. Read only
-- for events of which a ticket was ever offered to another person.
SELECT tickets.event_id, tickets.holder_id, tickets.ticket_type_id, count(*) AS units
FROM unnest(:event_ids::uuid[], :buyer_ids::uuid[]) AS named (event_id, buyer_id)
INNER JOIN tickets ON tickets.event_id = named.event_id AND tickets.holder_id = named.buyer_id
WHERE
    tickets.state != 'void'
    AND tickets.ticket_type_id = ANY(:ticket_type_ids::uuid[])
    /* routed: AND tickets.event_id = ANY(:event_ids) */
GROUP BY tickets.event_id, tickets.holder_id, tickets.ticket_type_id;

-- name: load_buyer_holds
-- The live holds of buyers and their units, offers apart. Due holds do not count: this batch expires them, or
-- the next one does. The tickets are read booking by booking, as in `load_buyer_units`.
SELECT
    bookings.event_id,
    bookings.buyer_id,
    bookings.booking_id,
    (
        SELECT count(*)
        FROM tickets
        WHERE
            tickets.event_id = bookings.event_id
            AND tickets.booking_id = bookings.booking_id
            AND tickets.state != 'void'
    ) AS units
FROM unnest(:event_ids::uuid[], :buyer_ids::uuid[], :nows::timestamptz[]) AS named (event_id, buyer_id, now)
INNER JOIN bookings ON bookings.event_id = named.event_id AND bookings.buyer_id = named.buyer_id
WHERE
    bookings.state = 'held'
    AND bookings.expires_at > named.now
    AND bookings.entry_id IS NULL
    /* routed: AND bookings.event_id = ANY(:event_ids) */;

-- name: load_reschedulings
-- All changes of the time or place of events that are not in memory, in their order.
SELECT event_id, rescheduled_at, starts_before, starts_at, place_changed
FROM reschedulings
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, number;

-- name: load_conditions
-- All versions of the conditions of events that are not in memory: an organizer changes them a few times.
SELECT event_id, version, conditions
FROM sale_conditions
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, version;

-- name: load_promos
-- The promo codes of events that are not in memory, with their use.
SELECT event_id, {promo_code}, uses, spent_minor
FROM promo_codes
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, promo_id;

-- name: load_set_asides
-- The units that are set aside for waitlists, of events that are not in memory.
SELECT event_id, ticket_type_id, units
FROM set_asides
WHERE event_id = ANY(:event_ids::uuid[]) AND units > 0;

-- name: load_waitlists
-- The waitlists of events of which they are not in memory: for each quantity of a ticket type the number of
-- waiting entries, and the first :known_max of them in the order of joining. Ten thousand entries are counted
-- in an index (a millisecond or two); a table of counts would have to be updated by every batch instead.
SELECT counted.waiting, {firsts.waitlist_entry}
FROM (
    SELECT event_id, ticket_type_id, quantity, count(*) AS waiting
    FROM waitlist_entries
    WHERE event_id = ANY(:event_ids::uuid[]) AND state = 'waiting'
    GROUP BY event_id, ticket_type_id, quantity
) AS counted
CROSS JOIN LATERAL (
    SELECT {entries.waitlist_entry}
    FROM waitlist_entries AS entries
    WHERE
        entries.event_id = counted.event_id
        AND entries.ticket_type_id = counted.ticket_type_id
        AND entries.quantity = counted.quantity
        AND entries.state = 'waiting'
    ORDER BY entries.joined_seq, entries.entry_id
    LIMIT :known_max
) AS firsts
ORDER BY firsts.event_id, firsts.joined_seq, firsts.entry_id;

-- name: load_waiting_entries
-- All waiting entries of events that are cancelled, or of which a ticket type is retired: all of them are
-- withdrawn.
SELECT {waitlist_entry}
FROM waitlist_entries
WHERE event_id = ANY(:event_ids::uuid[]) AND state = 'waiting'
ORDER BY event_id, joined_seq, entry_id;

-- name: load_returned
-- The returned tickets of events that are not in memory, and whether an entry has an offer for them.
SELECT
    tickets.event_id,
    tickets.ticket_id,
    tickets.booking_id,
    tickets.ticket_type_id,
    tickets.seat_number,
    tickets.returning_since,
    EXISTS (
        SELECT 1
        FROM tickets AS offered
        INNER JOIN bookings
            ON
                bookings.event_id = offered.event_id
                AND bookings.booking_id = offered.booking_id
                AND bookings.state = 'held'
        WHERE
            offered.event_id = tickets.event_id
            AND offered.replaces = tickets.ticket_id
            AND offered.state = 'valid'
    ) AS offered
FROM tickets
WHERE
    tickets.event_id = ANY(:event_ids::uuid[])
    AND tickets.returning_since IS NOT NULL
    AND tickets.state = 'valid'
ORDER BY tickets.event_id, tickets.returning_since, tickets.ticket_id;

-- name: load_seating
-- The zones of events that are not in memory. The layout is loaded only when no event in memory has the same
-- one.
SELECT event_id, digest, zones, zone_of
FROM event_seating
WHERE event_id = ANY(:event_ids::uuid[]);

-- name: load_layout
-- The layout of an event.
SELECT layout
FROM event_seating
WHERE event_id = :event_id;

-- name: load_claims
-- The taken and the blocked seats of an event, as two arrays: twenty thousand rows would cost ten times as
-- much.
SELECT
    coalesce(array_agg(seat_number) FILTER (WHERE ticket_id IS NOT NULL), '{}') AS taken,
    coalesce(array_agg(seat_number) FILTER (WHERE ticket_id IS NULL), '{}') AS blocked
FROM seat_claims
WHERE event_id = :event_id;

-- name: load_seat_blocks
-- The blocks of seats that have a name, the oldest first.
SELECT event_id, {seat_block}, blocked_at, seats
FROM seat_blocks
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, blocked_at, block_id;

-- name: load_news
-- The facts of an event since a journal row, to bring an older hall up to date. Those that are archived are
-- left out; then the chain breaks, and the hall is read anew.
SELECT facts
FROM journal
WHERE event_id = :event_id AND seq > :seq AND facts IS NOT NULL
ORDER BY seq
LIMIT :limit;

-- name: load_entries
-- The waitlist entries that commands name or that are offered a loaded booking, and the live ones of these
-- buyers.
SELECT {entries.waitlist_entry}
FROM unnest(:event_ids::uuid[], :entry_ids::uuid[]) AS named (event_id, entry_id)
INNER JOIN waitlist_entries AS entries
    ON entries.event_id = named.event_id AND entries.entry_id = named.entry_id
/* routed: WHERE entries.event_id = ANY(:event_ids) */
UNION
SELECT {entries.waitlist_entry}
FROM unnest(:buyer_event_ids::uuid[], :buyer_ids::uuid[]) AS joining (event_id, buyer_id)
INNER JOIN waitlist_entries AS entries
    ON
        entries.event_id = joining.event_id
        AND entries.buyer_id = joining.buyer_id
        AND entries.state IN ('waiting', 'offered')
/* routed: WHERE entries.event_id = ANY(:buyer_event_ids) */;

-- name: load_related
-- The bookings that are related to these tickets: the bookings of the tickets, and the offers that replace
-- them.
SELECT returned.event_id, returned.booking_id
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS named (event_id, ticket_id)
INNER JOIN tickets AS returned ON returned.event_id = named.event_id AND returned.ticket_id = named.ticket_id
/* routed: WHERE returned.event_id = ANY(:event_ids) */
UNION
SELECT offered.event_id, offered.booking_id
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS named (event_id, ticket_id)
INNER JOIN tickets AS offered
    ON
        offered.event_id = named.event_id
        AND offered.replaces = named.ticket_id
        AND offered.state = 'valid'
/* routed: WHERE offered.event_id = ANY(:event_ids) */;

-- name: load_refunds
-- The refunds that commands name.
SELECT refunds.event_id, {refunds.refund}
FROM unnest(:event_ids::uuid[], :refund_ids::uuid[]) AS named (event_id, refund_id)
INNER JOIN refunds ON refunds.event_id = named.event_id AND refunds.refund_id = named.refund_id
/* routed: WHERE refunds.event_id = ANY(:event_ids) */;

-- name: load_open_transfers
-- The open transfers of events that are not in memory.
SELECT {transfer}
FROM transfers
WHERE event_id = ANY(:event_ids::uuid[]) AND state = 'offered';

-- name: load_transfers
-- The transfers that commands name.
SELECT {transfers.transfer}
FROM unnest(:event_ids::uuid[], :transfer_ids::uuid[]) AS named (event_id, transfer_id)
INNER JOIN transfers ON transfers.event_id = named.event_id AND transfers.transfer_id = named.transfer_id
/* routed: WHERE transfers.event_id = ANY(:event_ids) */;

-- name: load_outside
-- The refunds by another hand that are current, of the bookings that commands name.
SELECT DISTINCT
    outside_refunds.event_id, outside_refunds.booking_id, outside_refunds.refund_id, outside_refunds.kind,
    outside_refunds.reference, outside_refunds.amount_minor
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS named (event_id, booking_id)
INNER JOIN outside_refunds
    ON
        outside_refunds.event_id = named.event_id
        AND outside_refunds.booking_id = named.booking_id
        AND outside_refunds.reversed_at IS NULL
/* routed: WHERE outside_refunds.event_id = ANY(:event_ids) */
ORDER BY outside_refunds.refund_id;

-- name: load_posted
-- What the ledger has of bookings, by debit and credit. The postings of a booking are few.
SELECT
    ledger.event_id, ledger.booking_id, ledger.debit, ledger.credit,
    sum(ledger.amount_minor)::bigint AS amount_minor
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS named (event_id, booking_id)
INNER JOIN ledger ON ledger.event_id = named.event_id AND ledger.booking_id = named.booking_id
/* routed: WHERE ledger.event_id = ANY(:event_ids) */
GROUP BY ledger.event_id, ledger.booking_id, ledger.debit, ledger.credit;

-- name: load_promo_uses
-- How many live bookings of buyers use each promo code.
SELECT bookings.event_id, bookings.buyer_id, bookings.promo_id, count(*) AS uses
FROM unnest(:event_ids::uuid[], :buyer_ids::uuid[]) AS named (event_id, buyer_id)
INNER JOIN bookings
    ON
        bookings.event_id = named.event_id
        AND bookings.buyer_id = named.buyer_id
        AND bookings.state IN ('held', 'confirmed')
WHERE bookings.promo_id IS NOT NULL /* routed: AND bookings.event_id = ANY(:event_ids) */
GROUP BY bookings.event_id, bookings.buyer_id, bookings.promo_id;

-- name: load_scans
-- Scans by their id.
SELECT scans.event_id, {scans.scan}
FROM unnest(:event_ids::uuid[], :scan_ids::uuid[]) AS named (event_id, scan_id)
INNER JOIN scans ON scans.event_id = named.event_id AND scans.scan_id = named.scan_id
/* routed: WHERE scans.event_id = ANY(:event_ids) */;

-- name: load_check_ins
-- The check-ins of tickets.
SELECT check_ins.event_id, {check_ins.check_in}
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS named (event_id, ticket_id)
INNER JOIN check_ins ON check_ins.event_id = named.event_id AND check_ins.ticket_id = named.ticket_id
/* routed: WHERE check_ins.event_id = ANY(:event_ids) */;

-- name: load_void_codes
-- The secrets that tickets had before they were passed on.
SELECT void_codes.event_id, void_codes.ticket_id, void_codes.secret
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS named (event_id, ticket_id)
INNER JOIN void_codes ON void_codes.event_id = named.event_id AND void_codes.ticket_id = named.ticket_id
/* routed: WHERE void_codes.event_id = ANY(:event_ids) */;
