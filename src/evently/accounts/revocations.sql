-- name: list_recent
-- Return the sessions that ended since a time.
SELECT session_id, at
FROM revocations
WHERE at > :since;
