-- The journal as an outbox.

-- name: list_undelivered
-- The oldest undelivered rows: at most :limit, and no more once they have :bytes_max bytes of facts, but at
-- least one. `at` never runs backwards within an event, so its rows come in the order of `seq`. The length of
-- facts is known without reading them. `since`: delivered rows leave dead entries at the beginning of the
-- index until it is vacuumed, and skipping 50,000 of them takes 5 ms.
SELECT event_id, seq, at, facts
FROM (
    SELECT
        event_id,
        seq,
        at,
        facts,
        sum(octet_length(facts)) OVER (ORDER BY at, event_id, seq) - octet_length(facts) AS bytes_before
    FROM (
        SELECT event_id, seq, at, facts
        FROM journal
        WHERE
            delivered_at IS NULL
            AND at >= coalesce(:since::timestamptz, '-infinity')
            AND event_id <> ALL(:besides::uuid[])
        ORDER BY at, event_id, seq
        LIMIT :limit
    ) AS oldest
) AS counted
WHERE bytes_before < :bytes_max
ORDER BY at, event_id, seq;

-- name: mark_delivered
-- Mark rows as delivered, in the transaction of their effects: for each event, from one `seq` to another.
UPDATE journal
SET delivered_at = :now
FROM unnest(:event_ids::uuid[], :first_seqs::bigint[], :last_seqs::bigint[])
    AS done (event_id, first_seq, last_seq)
WHERE
    journal.event_id = done.event_id
    AND journal.seq BETWEEN done.first_seq AND done.last_seq
    AND journal.delivered_at IS NULL
    /* routed: AND journal.event_id = ANY(:event_ids) */;

-- name: oldest_undelivered
-- The time of the oldest undelivered row: how far behind the relay is.
SELECT min(at) FROM journal WHERE delivered_at IS NULL AND at >= coalesce(:since::timestamptz, '-infinity');
