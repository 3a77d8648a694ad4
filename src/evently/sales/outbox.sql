-- The journal as an outbox.

-- name: list_undelivered
-- The oldest undelivered rows: at most :limit, and no more once they have :bytes_max bytes of facts, but always one. `at` never runs backwards
-- within an event, so they come in the order of `seq`. How long facts are is known without reading them.
SELECT event_id, seq, at, facts
FROM (
    SELECT event_id, seq, at, facts, sum(octet_length(facts)) OVER (ORDER BY at, event_id, seq) - octet_length(facts) AS bytes_before
    FROM (
        SELECT event_id, seq, at, facts
        FROM journal
        WHERE delivered_at IS NULL AND event_id <> ALL(:besides::uuid[])
        ORDER BY at, event_id, seq
        LIMIT :limit
    ) AS oldest
) AS counted
WHERE bytes_before < :bytes_max
ORDER BY at, event_id, seq;

-- name: mark_delivered
-- Rows whose facts have had all their effects, in the transaction of those effects.
UPDATE journal
SET delivered_at = :now
FROM unnest(:event_ids::uuid[], :seqs::bigint[]) AS done (event_id, seq)
WHERE journal.event_id = done.event_id AND journal.seq = done.seq;

-- name: oldest_undelivered
-- Since when the relay is behind.
SELECT min(at) FROM journal WHERE delivered_at IS NULL;
