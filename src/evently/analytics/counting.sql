-- The roll-ups that the relay keeps. `event_totals` and `event_quarters` are written here alone.

-- name: lock_totals
-- How far the events have been counted. Locked in key order, so that two relays never wait for each other in a circle; the
-- second sees what the first has counted.
SELECT event_id, seq
FROM event_totals
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id
FOR UPDATE;

-- name: begin_totals
-- Begin counting events. Waits for a relay that is just beginning them; locking the totals afterwards shows what it has counted.
INSERT INTO event_totals (event_id, seq, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor)
SELECT new.event_id, 0, 0, 0, 0, 0, 0, 0
FROM unnest(:event_ids::uuid[]) AS new (event_id)
ORDER BY new.event_id
ON CONFLICT (event_id) DO NOTHING;

-- name: add_totals
-- Add to the sums of events, which are locked.
UPDATE event_totals
SET
    seq = new.seq,
    bookings = event_totals.bookings + new.bookings,
    tickets = event_totals.tickets + new.tickets,
    amount_minor = event_totals.amount_minor + new.amount_minor,
    cancelled_bookings = event_totals.cancelled_bookings + new.cancelled_bookings,
    cancelled_tickets = event_totals.cancelled_tickets + new.cancelled_tickets,
    cancelled_minor = event_totals.cancelled_minor + new.cancelled_minor
FROM unnest(
    :event_ids::uuid[], :seqs::bigint[], :bookings::bigint[], :tickets::bigint[], :amounts_minor::bigint[], :cancelled_bookings::bigint[],
    :cancelled_tickets::bigint[], :cancelled_minor::bigint[]
) AS new (event_id, seq, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor)
WHERE event_totals.event_id = new.event_id;

-- name: add_quarters
-- Add to the sums of quarters of an hour of events whose totals are locked.
INSERT INTO event_quarters (
    event_id, quarter_at, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor
)
SELECT
    new.event_id, new.quarter_at, new.bookings, new.tickets, new.amount_minor, new.cancelled_bookings, new.cancelled_tickets,
    new.cancelled_minor
FROM unnest(
    :event_ids::uuid[], :quarter_ats::timestamptz[], :bookings::bigint[], :tickets::bigint[], :amounts_minor::bigint[],
    :cancelled_bookings::bigint[], :cancelled_tickets::bigint[], :cancelled_minor::bigint[]
) AS new (event_id, quarter_at, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor)
ON CONFLICT (event_id, quarter_at) DO UPDATE
SET
    bookings = event_quarters.bookings + excluded.bookings,
    tickets = event_quarters.tickets + excluded.tickets,
    amount_minor = event_quarters.amount_minor + excluded.amount_minor,
    cancelled_bookings = event_quarters.cancelled_bookings + excluded.cancelled_bookings,
    cancelled_tickets = event_quarters.cancelled_tickets + excluded.cancelled_tickets,
    cancelled_minor = event_quarters.cancelled_minor + excluded.cancelled_minor;
