-- name: count_by_gate
-- What happened at each gate, the busiest first. A check-in that was undone counts as nothing.
SELECT
    gate,
    count(*) FILTER (WHERE result = 'accepted' AND direction = 'in' AND undone_at IS NULL) AS admitted,
    count(*) FILTER (WHERE result = 'accepted' AND direction = 'out') AS came_out,
    count(*) FILTER (WHERE result != 'accepted') AS refused,
    max(received_at) AS last_at
FROM scans
WHERE event_id = :event_id
GROUP BY gate
ORDER BY admitted DESC, gate
LIMIT :limit;

-- name: count_by_minute
-- What was received in each minute since :since, the earliest first.
SELECT
    date_trunc('minute', received_at) AS at,
    count(*) FILTER (WHERE result = 'accepted' AND direction = 'in' AND undone_at IS NULL) AS admitted,
    count(*) FILTER (WHERE result != 'accepted') AS refused
FROM scans
WHERE event_id = :event_id AND received_at >= :since
GROUP BY date_trunc('minute', received_at)
ORDER BY at;

-- name: count_conflicts_of_events
-- How many scans of each of these events were refused whose holders a device without a network had admitted.
-- Their index is small.
SELECT event_id, count(*) AS conflicts
FROM scans
WHERE event_id = ANY(:event_ids::uuid[]) AND offline AND result != 'accepted'
GROUP BY event_id;

-- name: count_conflicts
-- How many scans were refused whose holders a device without a network had admitted.
SELECT count(*)
FROM scans
WHERE event_id = :event_id AND offline AND result != 'accepted';
