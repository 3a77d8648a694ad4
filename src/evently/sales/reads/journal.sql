-- Reads the journal of an event, as it was hashed.

-- name: list_journal
-- The journal of an event, oldest first.
SELECT seq, at, facts, hash
FROM journal
WHERE event_id = :event_id AND seq > :after
ORDER BY seq
LIMIT :limit;
