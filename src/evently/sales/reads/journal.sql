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

-- name: list_files
-- The files with the facts of archived rows of an event.
SELECT event_id, first_seq, last_seq, name, size, digest, archived_at
FROM journal_files
WHERE event_id = :event_id
ORDER BY first_seq;

-- name: count_files
-- How many events have archived rows: one event, or all.
SELECT count(DISTINCT event_id) FROM journal_files WHERE :event_id::uuid IS NULL OR event_id = :event_id;
