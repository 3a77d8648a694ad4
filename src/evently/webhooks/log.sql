-- The log of deliveries.

-- columns: delivery
delivery_id, webhook_id, about_event_id, kind, state, created_at, due_at, attempts, finished_at;

-- name: list_deliveries
-- The deliveries of a webhook, the newest first, each with what came back last.
SELECT {deliveries.delivery}, last.status, last.milliseconds
FROM webhook_deliveries AS deliveries
LEFT JOIN webhook_attempts AS last
    ON last.delivery_id = deliveries.delivery_id AND last.number = deliveries.attempts
WHERE
    deliveries.webhook_id = :webhook_id
    AND (:after::uuid IS NULL OR deliveries.delivery_id < :after)
    AND (:state::text IS NULL OR deliveries.state = :state)
ORDER BY deliveries.delivery_id DESC
LIMIT :limit;

-- name: find_delivery
-- One delivery of a webhook.
SELECT {deliveries.delivery}, last.status, last.milliseconds, deliveries.body
FROM webhook_deliveries AS deliveries
LEFT JOIN webhook_attempts AS last
    ON last.delivery_id = deliveries.delivery_id AND last.number = deliveries.attempts
WHERE deliveries.webhook_id = :webhook_id AND deliveries.delivery_id = :delivery_id;

-- name: list_attempts
-- What came back for a delivery, the newest first.
SELECT number, at, milliseconds, status, answer
FROM webhook_attempts
WHERE delivery_id = :delivery_id
ORDER BY number DESC
LIMIT :limit;

-- name: add_test
-- Store a test message; it belongs to no event.
INSERT INTO webhook_deliveries (
    delivery_id, webhook_id, about_event_id, seq, line, kind, body, state, created_at, due_at, attempts,
    tries
)
VALUES (
    :delivery_id, :webhook_id, :no_event_id, :seq, 0, :kind, :body, 'pending', :now::timestamptz, :now, 0,
    0
)
ON CONFLICT DO NOTHING
RETURNING delivery_id;

-- name: send_again
-- Send a delivery again, however it ended.
UPDATE webhook_deliveries
SET state = 'pending', finished_at = NULL, due_at = :now::timestamptz, tries = 0, failing_since = NULL
WHERE webhook_id = :webhook_id AND delivery_id = :delivery_id
RETURNING delivery_id;

-- name: send_range_again
-- Send some deliveries of a span of time again, the oldest first. Ids are in the order of time.
WITH chosen AS (
    SELECT delivery_id
    FROM webhook_deliveries
    WHERE
        webhook_id = :webhook_id
        AND delivery_id >= :first_id
        AND delivery_id < :end_id
        AND state <> 'pending'
    ORDER BY delivery_id
    LIMIT :limit
    FOR NO KEY UPDATE
)

UPDATE webhook_deliveries
SET state = 'pending', finished_at = NULL, due_at = :now::timestamptz, tries = 0, failing_since = NULL
FROM chosen
WHERE webhook_deliveries.delivery_id = chosen.delivery_id
RETURNING webhook_deliveries.delivery_id;

-- name: skip
-- Give a delivery up: the later ones of its event are sent.
UPDATE webhook_deliveries
SET state = 'skipped', finished_at = :now
WHERE webhook_id = :webhook_id AND delivery_id = :delivery_id AND state = 'pending'
RETURNING delivery_id;

-- name: forget_old
-- Delete some deliveries from before an instant, with what came back. Ids are in the order of time. What
-- waits for a webhook that was paused for so long is of no use any more.
DELETE FROM webhook_deliveries
USING (
    SELECT webhook_deliveries.delivery_id
    FROM webhook_deliveries
    WHERE webhook_deliveries.delivery_id < :before
    ORDER BY webhook_deliveries.delivery_id
    LIMIT :limit
) AS gone
WHERE webhook_deliveries.delivery_id = gone.delivery_id;

-- name: forget_removed
-- Delete some deliveries of webhooks that were removed.
DELETE FROM webhook_deliveries
USING (
    SELECT deliveries.delivery_id
    FROM webhooks
    INNER JOIN webhook_deliveries AS deliveries ON deliveries.webhook_id = webhooks.webhook_id
    WHERE webhooks.removed_at IS NOT NULL
    LIMIT :limit
) AS gone
WHERE webhook_deliveries.delivery_id = gone.delivery_id;

-- name: forget_webhooks
-- Delete webhooks that were removed, without deliveries, with their secrets. The relay may know them a moment
-- longer than they exist.
DELETE FROM webhooks
WHERE
    webhooks.removed_at < :before
    AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries
        WHERE webhook_deliveries.webhook_id = webhooks.webhook_id
    );

-- name: count_all
-- How many webhooks there are, are paused by failures, and fail now; and since when the delivery is due that
-- has waited longest of those that could be sent.
SELECT
    count(*) AS webhooks,
    count(*) FILTER (WHERE webhooks.paused_because <> 'by_hand') AS paused,
    count(*) FILTER (WHERE webhooks.paused_at IS NULL AND webhooks.failures >= :trouble) AS failing,
    min(oldest.due_at) AS due_since
FROM webhooks
LEFT JOIN LATERAL (
    SELECT first.due_at
    FROM webhook_deliveries AS first
    WHERE
        first.state = 'pending'
        AND first.webhook_id = webhooks.webhook_id
        AND webhooks.paused_at IS NULL
        AND webhooks.failures = 0
    ORDER BY first.about_event_id, first.seq, first.line
    LIMIT 1
) AS oldest ON TRUE
WHERE webhooks.removed_at IS NULL;
