-- Erases the sale of a sandbox event.

-- name: lock_sale
-- Lock the sale: no batch and no relay writes about it any more.
SELECT event_id
FROM sales
WHERE event_id = :event_id
FOR UPDATE;

-- name: find_undelivered
-- A row of the journal that the relay has not delivered yet.
SELECT seq
FROM journal
WHERE event_id = :event_id AND delivered_at IS NULL
LIMIT 1;

-- name: erase_sale
-- Delete what was sold. In one statement: foreign keys are checked at its end. The sale itself goes with its
-- event.
WITH gone_check_ins AS (DELETE FROM check_ins WHERE event_id = :event_id),

gone_scans AS (DELETE FROM scans WHERE event_id = :event_id),

gone_transfers AS (DELETE FROM transfers WHERE event_id = :event_id),

gone_codes AS (DELETE FROM void_codes WHERE event_id = :event_id),

gone_outside_refunds AS (DELETE FROM outside_refunds WHERE event_id = :event_id),

gone_refunds AS (DELETE FROM refunds WHERE event_id = :event_id),

gone_postings AS (DELETE FROM ledger WHERE event_id = :event_id),

gone_entries AS (DELETE FROM waitlist_entries WHERE event_id = :event_id),

gone_keys AS (DELETE FROM idempotency_keys WHERE event_id = :event_id),

gone_blocks AS (DELETE FROM seat_blocks WHERE event_id = :event_id),

gone_tickets AS (DELETE FROM tickets WHERE event_id = :event_id)

DELETE FROM bookings WHERE event_id = :event_id;
