-- The journal as an outbox.

-- name: list_undelivered
-- The oldest undelivered rows. `at` never runs backwards within an event, so they come in the order of `seq`.
SELECT event_id, seq, at, facts
FROM journal
WHERE delivered_at IS NULL
ORDER BY at, event_id, seq
LIMIT :limit;

-- name: mark_delivered
-- Rows whose facts have had all their effects, in the transaction of those effects.
UPDATE journal
SET delivered_at = :now
FROM unnest(:event_ids::uuid[], :seqs::bigint[]) AS done (event_id, seq)
WHERE journal.event_id = done.event_id AND journal.seq = done.seq;

-- name: oldest_undelivered
-- Since when the relay is behind.
SELECT min(at) FROM journal WHERE delivered_at IS NULL;
