-- name: list_news
-- The sessions that ended lately.
SELECT session_id, at
FROM revocations
WHERE at > :since;
