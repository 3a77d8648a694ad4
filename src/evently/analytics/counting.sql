-- The sums that the relay keeps. Only these statements write `event_totals` and `event_quarters`.

-- name: lock_totals
-- The last counted row of each event. Locked in key order, so that two relays never wait for each other in a
-- circle (on a cluster event by event: `lock_by_event`); the second relay then reads what the first has
-- counted.
SELECT event_id, seq
FROM event_totals
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id
FOR UPDATE;

-- name: begin_totals
-- Begin to count events. Waits for a relay that begins to count the same ones; lock_totals then reads what
-- that relay has counted.
INSERT INTO event_totals (event_id, seq, {sums})
SELECT new.event_id, 0, 0, 0, 0, 0, 0, 0
FROM unnest(:event_ids::uuid[]) AS new (event_id)
ORDER BY new.event_id
ON CONFLICT (event_id) DO NOTHING;

-- name: sum_ledger
-- The ledger of the journal rows that are counted now, by event and quarter of an hour: after one seq, up to
-- another. Postings that only capture money, or pay back a refund at last, were owed before and give no row.
SELECT event_id, quarter_at, {revenue}
FROM (
    SELECT
        ledger.event_id,
        date_bin('15 minutes', ledger.at, '2000-01-01T00:00:00Z') AS quarter_at,
        coalesce(
            sum(ledger.amount_minor) FILTER (
                WHERE ledger.debit IN ('buyer', 'door') AND ledger.credit IN ('organizer', 'tax', 'fees')
            ), 0
        ) AS gross_minor,
        coalesce(
            sum(ledger.amount_minor) FILTER (
                WHERE ledger.debit IN ('organizer', 'tax', 'fees') AND ledger.credit IN ('buyer', 'door')
            ), 0
        ) AS struck_minor,
        coalesce(
            sum(ledger.amount_minor) FILTER (
                WHERE ledger.credit IN ('refunds', 'gateway') AND ledger.debit IN ('organizer', 'tax', 'fees')
            ), 0
        ) - coalesce(
            sum(ledger.amount_minor) FILTER (
                WHERE ledger.debit IN ('refunds', 'gateway') AND ledger.credit IN ('organizer', 'tax', 'fees')
            ), 0
        ) AS refunded_minor,
        coalesce(
            sum(
                CASE 'tax'
                    WHEN ledger.credit THEN ledger.amount_minor
                    WHEN ledger.debit THEN -ledger.amount_minor
                END
            ), 0
        ) AS tax_minor,
        coalesce(
            sum(
                CASE 'fees'
                    WHEN ledger.credit THEN ledger.amount_minor
                    WHEN ledger.debit THEN -ledger.amount_minor
                END
            ), 0
        ) AS fees_minor
    FROM unnest(:event_ids::uuid[], :after_seqs::bigint[], :seqs::bigint[])
        AS counted (event_id, after_seq, seq)
    INNER JOIN ledger
        ON ledger.event_id = counted.event_id
        AND ledger.seq > counted.after_seq
        AND ledger.seq <= counted.seq
    /* routed: WHERE ledger.event_id = ANY(:event_ids) */
    GROUP BY ledger.event_id, quarter_at
) AS posted
WHERE gross_minor != 0 OR struck_minor != 0 OR refunded_minor != 0 OR tax_minor != 0 OR fees_minor != 0;

-- name: add_totals
-- Add to the sums of events. Their rows are locked.
UPDATE event_totals
SET
    seq = new.seq,
    bookings = event_totals.bookings + new.bookings,
    tickets = event_totals.tickets + new.tickets,
    amount_minor = event_totals.amount_minor + new.amount_minor,
    cancelled_bookings = event_totals.cancelled_bookings + new.cancelled_bookings,
    cancelled_tickets = event_totals.cancelled_tickets + new.cancelled_tickets,
    cancelled_minor = event_totals.cancelled_minor + new.cancelled_minor,
    gross_minor = event_totals.gross_minor + new.gross_minor,
    struck_minor = event_totals.struck_minor + new.struck_minor,
    refunded_minor = event_totals.refunded_minor + new.refunded_minor,
    tax_minor = event_totals.tax_minor + new.tax_minor,
    fees_minor = event_totals.fees_minor + new.fees_minor
FROM unnest(
    :event_ids::uuid[], :seqs::bigint[], :bookings::bigint[], :tickets::bigint[], :amount_minor::bigint[],
    :cancelled_bookings::bigint[], :cancelled_tickets::bigint[], :cancelled_minor::bigint[],
    :gross_minor::bigint[], :struck_minor::bigint[], :refunded_minor::bigint[], :tax_minor::bigint[],
    :fees_minor::bigint[]
) AS new (event_id, seq, {sums}, {revenue})
WHERE event_totals.event_id = new.event_id /* routed: AND event_totals.event_id = ANY(:event_ids) */;

-- name: add_quarters
-- Add to the sums of quarters of an hour. The totals of their events are locked.
INSERT INTO event_quarters (event_id, quarter_at, {sums}, {revenue})
SELECT new.event_id, new.quarter_at, {new.sums}, {new.revenue}
FROM unnest(
    :event_ids::uuid[], :quarter_ats::timestamptz[], :bookings::bigint[], :tickets::bigint[],
    :amount_minor::bigint[], :cancelled_bookings::bigint[], :cancelled_tickets::bigint[],
    :cancelled_minor::bigint[], :gross_minor::bigint[], :struck_minor::bigint[], :refunded_minor::bigint[],
    :tax_minor::bigint[], :fees_minor::bigint[]
) AS new (event_id, quarter_at, {sums}, {revenue})
ON CONFLICT (event_id, quarter_at) DO UPDATE
SET
    bookings = event_quarters.bookings + excluded.bookings,
    tickets = event_quarters.tickets + excluded.tickets,
    amount_minor = event_quarters.amount_minor + excluded.amount_minor,
    cancelled_bookings = event_quarters.cancelled_bookings + excluded.cancelled_bookings,
    cancelled_tickets = event_quarters.cancelled_tickets + excluded.cancelled_tickets,
    cancelled_minor = event_quarters.cancelled_minor + excluded.cancelled_minor,
    gross_minor = event_quarters.gross_minor + excluded.gross_minor,
    struck_minor = event_quarters.struck_minor + excluded.struck_minor,
    refunded_minor = event_quarters.refunded_minor + excluded.refunded_minor,
    tax_minor = event_quarters.tax_minor + excluded.tax_minor,
    fees_minor = event_quarters.fees_minor + excluded.fees_minor;

-- name: add_minutes
-- Add tickets to those of minutes. The totals of their events are locked.
INSERT INTO event_minutes (event_id, minute_at, tickets)
SELECT new.event_id, new.minute_at, new.tickets
FROM unnest(:event_ids::uuid[], :minute_ats::timestamptz[], :tickets::bigint[])
    AS new (event_id, minute_at, tickets)
ON CONFLICT (event_id, minute_at) DO UPDATE
SET tickets = event_minutes.tickets + excluded.tickets;

-- name: forget_minutes
-- Delete the minutes that nobody follows any more.
DELETE FROM event_minutes WHERE minute_at < :before;

-- name: add_conversions
-- Add to what became of the holds and waitlist entries of events. The totals of these events are locked.
INSERT INTO event_conversions (
    event_id, holds, confirmed, expired, cancelled, joined, fulfilled, withdrawn
)
SELECT
    new.event_id, new.holds, new.confirmed, new.expired, new.cancelled, new.joined, new.fulfilled,
    new.withdrawn
FROM unnest(
    :event_ids::uuid[], :holds::bigint[], :confirmed::bigint[], :expired::bigint[], :cancelled::bigint[],
    :joined::bigint[], :fulfilled::bigint[], :withdrawn::bigint[]
) AS new (event_id, holds, confirmed, expired, cancelled, joined, fulfilled, withdrawn)
ON CONFLICT (event_id) DO UPDATE
SET
    holds = event_conversions.holds + excluded.holds,
    confirmed = event_conversions.confirmed + excluded.confirmed,
    expired = event_conversions.expired + excluded.expired,
    cancelled = event_conversions.cancelled + excluded.cancelled,
    joined = event_conversions.joined + excluded.joined,
    fulfilled = event_conversions.fulfilled + excluded.fulfilled,
    withdrawn = event_conversions.withdrawn + excluded.withdrawn;
