-- The rows of an event, counted: to be compared with a replay of its journal.

-- name: count_rows
-- The number of rows of each kind and state.
SELECT 'bookings' AS kind, bookings.state, count(*)::bigint AS stored
FROM bookings
WHERE bookings.event_id = :event_id
GROUP BY bookings.state
UNION ALL
SELECT
    'tickets' AS kind,
    CASE WHEN tickets.state = 'void' THEN 'void' ELSE bookings.state END AS state,
    count(*)::bigint AS stored
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
WHERE tickets.event_id = :event_id
GROUP BY 2
UNION ALL
SELECT
    'seats' AS kind,
    CASE WHEN seat_claims.ticket_id IS NULL THEN 'blocked' ELSE 'taken' END AS state,
    count(*)::bigint AS stored
FROM seat_claims
WHERE seat_claims.event_id = :event_id
GROUP BY 2
UNION ALL
SELECT 'waitlist_entries' AS kind, waitlist_entries.state, count(*)::bigint AS stored
FROM waitlist_entries
WHERE waitlist_entries.event_id = :event_id
GROUP BY waitlist_entries.state
UNION ALL
SELECT
    'refunds' AS kind,
    CASE WHEN refunds.settled_at IS NULL THEN 'decided' ELSE 'settled' END AS state,
    count(*)::bigint AS stored
FROM refunds
WHERE refunds.event_id = :event_id
GROUP BY 2
UNION ALL
SELECT
    'outside_refunds' AS kind,
    CASE WHEN outside_refunds.reversed_at IS NULL THEN 'current' ELSE 'reversed' END AS state,
    count(*)::bigint AS stored
FROM outside_refunds
WHERE outside_refunds.event_id = :event_id
GROUP BY 2;

-- name: sum_ledger
-- The balance of each account of the ledger: its debits less its credits.
SELECT posted.account, sum(posted.amount_minor)::bigint AS balance_minor
FROM (
    SELECT ledger.debit AS account, ledger.amount_minor FROM ledger WHERE ledger.event_id = :event_id
    UNION ALL
    SELECT ledger.credit AS account, -ledger.amount_minor FROM ledger WHERE ledger.event_id = :event_id
) AS posted
GROUP BY posted.account;

-- name: read_journal
-- The whole journal of an event.
SELECT journal.seq, journal.at, journal.facts, journal.hash
FROM journal
WHERE journal.event_id = :event_id
ORDER BY journal.seq;

-- name: list_claims
-- The ticket of each claimed seat; NULL: the seat is blocked. At most as many rows as the hall has seats.
SELECT seat_claims.seat_number, seat_claims.ticket_id
FROM seat_claims
WHERE seat_claims.event_id = :event_id;

-- name: count_bookings
-- How many bookings a replay must keep in memory.
SELECT count(*) FROM bookings WHERE bookings.event_id = :event_id;
