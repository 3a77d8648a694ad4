-- Reads the journal of an event, as it was hashed.

-- name: list_journal
-- The journal of an event, oldest first.
SELECT seq, at, facts, hash
FROM journal
WHERE event_id = :event_id AND seq > :after
ORDER BY seq
LIMIT :limit;

-- name: find_instant
-- When a journal row was written.
SELECT at FROM journal WHERE event_id = :event_id AND seq = :seq;

-- name: list_naming
-- The journal rows from :first on whose facts contain a text, such as an id.
SELECT seq, at, facts, hash
FROM journal
WHERE event_id = :event_id AND seq >= :first AND position(:needle::bytea IN facts) > 0
ORDER BY seq
LIMIT :limit;

-- name: find_head
-- The newest journal row of an event.
SELECT seq FROM sales WHERE event_id = :event_id;
