-- Webhooks as their organizers see them.

-- name: count
-- Count the webhooks of an organizer.
SELECT count(*)
FROM webhooks
WHERE organizer_id = :organizer_id AND removed_at IS NULL;

-- name: add
-- Add a webhook.
INSERT INTO webhooks (
    webhook_id, organizer_id, address, description, kinds, personal_data, version, created_by, created_at,
    failures, slow
)
VALUES (
    :webhook_id, :organizer_id, :address, :description, :kinds, :personal_data, 1, :created_by, :now, 0, FALSE
)
RETURNING {webhook};

-- name: list_webhooks
-- The webhooks of an organizer, the newest first.
SELECT {webhook}
FROM webhooks
WHERE organizer_id = :organizer_id AND removed_at IS NULL
ORDER BY webhook_id DESC
LIMIT :limit;

-- name: find
-- One webhook of an organizer.
SELECT {webhook}
FROM webhooks
WHERE organizer_id = :organizer_id AND webhook_id = :webhook_id AND removed_at IS NULL;

-- name: lock
-- Lock a webhook before it changes.
SELECT {webhook}
FROM webhooks
WHERE organizer_id = :organizer_id AND webhook_id = :webhook_id AND removed_at IS NULL
FOR NO KEY UPDATE;

-- name: change
-- Change a webhook. Another address has not failed yet.
UPDATE webhooks
SET
    failures = CASE WHEN address = :address THEN failures ELSE 0 END,
    quiet_until = CASE WHEN address = :address THEN quiet_until END,
    address = :address,
    description = :description,
    kinds = :kinds,
    personal_data = :personal_data,
    version = version + 1
WHERE webhook_id = :webhook_id
RETURNING {webhook};

-- name: pause
-- Send nothing until the webhook is resumed.
UPDATE webhooks
SET paused_at = :now, paused_because = 'by_hand', version = version + 1
WHERE webhook_id = :webhook_id
RETURNING {webhook};

-- name: resume
-- Send again.
UPDATE webhooks
SET
    paused_at = NULL,
    paused_because = NULL,
    failures = 0,
    quiet_until = NULL,
    slow = FALSE,
    version = version + 1
WHERE webhook_id = :webhook_id
RETURNING {webhook};

-- name: try_again
-- Begin the three days of what has failed again.
UPDATE webhook_deliveries
SET due_at = :now, tries = 0, failing_since = NULL
WHERE webhook_id = :webhook_id AND state = 'pending' AND tries > 0;

-- name: remove
-- Remove a webhook. Its deliveries are deleted later: there may be many.
UPDATE webhooks
SET removed_at = :now
WHERE webhook_id = :webhook_id;

-- name: count_waiting
-- How many deliveries of each webhook wait, up to a limit, and since when the oldest.
SELECT
    webhooks.webhook_id,
    waiting.messages,
    waiting.since
FROM webhooks
CROSS JOIN LATERAL (
    SELECT
        count(*) AS messages,
        min(waited.created_at) AS since
    FROM (
        SELECT webhook_deliveries.created_at
        FROM webhook_deliveries
        WHERE webhook_deliveries.webhook_id = webhooks.webhook_id AND webhook_deliveries.state = 'pending'
        LIMIT :limit
    ) AS waited
) AS waiting
WHERE webhooks.organizer_id = :organizer_id AND webhooks.removed_at IS NULL;
