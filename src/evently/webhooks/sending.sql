-- Sending: which webhooks have something to be sent, and what came back.

-- name: claim
-- Claim webhooks for which something can be sent now: those that were not served for the longest time first.
-- `waiting` jumps along the index from one webhook with pending deliveries to the next, and so does `heads`
-- from the first pending delivery of one event to that of the next: what waits behind it is not read. A
-- webhook in trouble fails, or answers slowly; only some of those are served at a time. Locked rows
-- are claimed by another process at this moment.
WITH RECURSIVE waiting AS (
    SELECT foremost.webhook_id
    FROM (
        SELECT webhook_deliveries.webhook_id
        FROM webhook_deliveries
        WHERE webhook_deliveries.state = 'pending'
        ORDER BY webhook_deliveries.webhook_id
        LIMIT 1
    ) AS foremost
    UNION ALL
    SELECT following.webhook_id
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT webhook_deliveries.webhook_id
        FROM webhook_deliveries
        WHERE webhook_deliveries.state = 'pending' AND webhook_deliveries.webhook_id > waiting.webhook_id
        ORDER BY webhook_deliveries.webhook_id
        LIMIT 1
    ) AS following
),

ready AS (
    SELECT webhooks.webhook_id, webhooks.served_at, webhooks.slow OR webhooks.failures > 0 AS in_trouble
    FROM waiting
    INNER JOIN webhooks ON webhooks.webhook_id = waiting.webhook_id
    WHERE
        webhooks.removed_at IS NULL
        AND webhooks.paused_at IS NULL
        AND (webhooks.quiet_until IS NULL OR webhooks.quiet_until <= :now::timestamptz)
        AND (webhooks.claimed_until IS NULL OR webhooks.claimed_until <= :now::timestamptz)
        AND EXISTS (
            WITH RECURSIVE heads AS (
                SELECT foremost.about_event_id, foremost.due_at
                FROM (
                    SELECT first.about_event_id, first.due_at
                    FROM webhook_deliveries AS first
                    WHERE first.state = 'pending' AND first.webhook_id = webhooks.webhook_id
                    ORDER BY first.about_event_id, first.seq, first.line
                    LIMIT 1
                ) AS foremost
                UNION ALL
                SELECT following.about_event_id, following.due_at
                FROM heads
                CROSS JOIN LATERAL (
                    SELECT later.about_event_id, later.due_at
                    FROM webhook_deliveries AS later
                    WHERE
                        later.state = 'pending'
                        AND later.webhook_id = webhooks.webhook_id
                        AND later.about_event_id > heads.about_event_id
                    ORDER BY later.about_event_id, later.seq, later.line
                    LIMIT 1
                ) AS following
            )

            SELECT 1 FROM heads
            WHERE heads.due_at <= :now::timestamptz OR webhooks.failures >= :trouble
        )
),

chosen AS (
    SELECT ranked.webhook_id
    FROM (
        SELECT
            ready.webhook_id,
            ready.in_trouble,
            row_number() OVER (PARTITION BY ready.in_trouble ORDER BY ready.served_at NULLS FIRST) AS place
        FROM ready
    ) AS ranked
    WHERE ranked.place <= CASE WHEN ranked.in_trouble THEN :troubled_max::integer ELSE :well_max::integer END
),

locked AS (
    SELECT webhooks.webhook_id
    FROM chosen
    INNER JOIN webhooks ON webhooks.webhook_id = chosen.webhook_id
    WHERE webhooks.claimed_until IS NULL OR webhooks.claimed_until <= :now::timestamptz
    FOR NO KEY UPDATE OF webhooks SKIP LOCKED
)

UPDATE webhooks
SET claimed_by = :process_id, claimed_until = :until, served_at = :now::timestamptz
FROM locked
WHERE webhooks.webhook_id = locked.webhook_id
RETURNING
    webhooks.webhook_id,
    webhooks.organizer_id,
    webhooks.address,
    webhooks.personal_data,
    webhooks.failures,
    webhooks.slow OR webhooks.failures > 0 AS in_trouble;

-- name: release
-- Give a webhook back.
UPDATE webhooks
SET claimed_by = NULL, claimed_until = NULL
WHERE webhook_id = :webhook_id AND claimed_by = :process_id;

-- name: list_next
-- What can be sent to a webhook of this process now: of some events the first pending deliveries, in order.
-- A program that is down is tried with the message that is due first, whether it is due yet or not.
WITH RECURSIVE heads AS (
    SELECT foremost.about_event_id, foremost.due_at
    FROM (
        SELECT first.about_event_id, first.due_at
        FROM webhook_deliveries AS first
        WHERE first.state = 'pending' AND first.webhook_id = :webhook_id::uuid
        ORDER BY first.about_event_id, first.seq, first.line
        LIMIT 1
    ) AS foremost
    UNION ALL
    SELECT following.about_event_id, following.due_at
    FROM heads
    CROSS JOIN LATERAL (
        SELECT later.about_event_id, later.due_at
        FROM webhook_deliveries AS later
        WHERE
            later.state = 'pending'
            AND later.webhook_id = :webhook_id::uuid
            AND later.about_event_id > heads.about_event_id
        ORDER BY later.about_event_id, later.seq, later.line
        LIMIT 1
    ) AS following
)

SELECT {waiting.pending}
FROM (
    SELECT heads.about_event_id, heads.due_at
    FROM heads
    WHERE heads.due_at <= :now::timestamptz OR :in_trouble::boolean
    ORDER BY heads.due_at
    LIMIT :events_max
) AS ready
INNER JOIN webhooks
    ON
        webhooks.webhook_id = :webhook_id::uuid
        AND webhooks.claimed_by = :process_id::uuid
        AND webhooks.removed_at IS NULL
        AND webhooks.paused_at IS NULL
        AND (webhooks.quiet_until IS NULL OR webhooks.quiet_until <= :now::timestamptz)
CROSS JOIN LATERAL (
    SELECT {deliveries.pending}, deliveries.seq, deliveries.line
    FROM webhook_deliveries AS deliveries
    WHERE
        deliveries.state = 'pending'
        AND deliveries.webhook_id = :webhook_id::uuid
        AND deliveries.about_event_id = ready.about_event_id
    ORDER BY deliveries.seq, deliveries.line
    LIMIT :deliveries_max
) AS waiting
ORDER BY ready.due_at, waiting.about_event_id, waiting.seq, waiting.line;

-- name: find_person
-- Whom a message is about: a person, or the buyer of a booking. No row for a closed account.
SELECT people.name, people.email
FROM people
WHERE
    people.erased_at IS NULL
    AND people.person_id = coalesce(
        :person_id::uuid,
        (
            SELECT bookings.buyer_id
            FROM bookings
            WHERE bookings.event_id = :event_id AND bookings.booking_id = :booking_id
        )
    );

-- name: finish
-- Write that a program has a message.
UPDATE webhook_deliveries
SET
    state = 'delivered',
    finished_at = :now,
    attempts = attempts + 1,
    tries = tries + 1
WHERE delivery_id = :delivery_id AND state = 'pending'
RETURNING attempts;

-- name: postpone
-- Write that an attempt failed, and when the next one is.
UPDATE webhook_deliveries
SET
    due_at = :due_at,
    failing_since = coalesce(failing_since, :now::timestamptz),
    attempts = attempts + 1,
    tries = tries + 1
WHERE delivery_id = :delivery_id AND state = 'pending'
RETURNING attempts;

-- name: add_attempt
-- Write what came back.
INSERT INTO webhook_attempts (delivery_id, number, at, milliseconds, status, answer)
VALUES (:delivery_id, :number, :at, :milliseconds, :status, :answer);

-- name: note_success
-- Write that a webhook works, if that is news; return how often it had failed.
WITH before AS (
    SELECT webhook_id, failures
    FROM webhooks
    WHERE webhook_id = :webhook_id AND (failures > 0 OR slow <> :slow)
    FOR NO KEY UPDATE
)

UPDATE webhooks
SET failures = 0, quiet_until = NULL, slow = :slow
FROM before
WHERE webhooks.webhook_id = before.webhook_id
RETURNING before.failures;

-- name: note_failure
-- Write that an attempt failed.
UPDATE webhooks
SET failures = failures + 1, slow = :slow
WHERE webhook_id = :webhook_id
RETURNING failures;

-- name: keep_quiet
-- Send nothing for a while: the program is down.
UPDATE webhooks
SET quiet_until = :quiet_until
WHERE webhook_id = :webhook_id;

-- name: pause
-- Send nothing until the webhook is resumed.
UPDATE webhooks
SET paused_at = :now::timestamptz, paused_because = :because, version = version + 1
WHERE webhook_id = :webhook_id AND paused_at IS NULL AND removed_at IS NULL
RETURNING organizer_id, address;

-- name: wake
-- Try what has failed again now: the program answers again.
UPDATE webhook_deliveries
SET due_at = :now::timestamptz
WHERE webhook_id = :webhook_id AND state = 'pending' AND due_at > :now::timestamptz;

-- name: list_owners
-- To whom the end of a webhook is told.
SELECT people.person_id, people.email, organizers.name AS organizer
FROM organizers
INNER JOIN organizer_members
    ON organizer_members.organizer_id = organizers.organizer_id AND organizer_members.role = 'owner'
INNER JOIN people ON people.person_id = organizer_members.person_id AND people.email IS NOT NULL
WHERE organizers.organizer_id = :organizer_id
ORDER BY people.person_id
LIMIT :limit;
