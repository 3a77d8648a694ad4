-- The journal, as the audit replays it.

-- name: read_journal
-- The whole journal of an event.
SELECT journal.seq, journal.at, journal.facts, journal.hash, journal.delivered_at
FROM journal
WHERE journal.event_id = :event_id
ORDER BY journal.seq;
