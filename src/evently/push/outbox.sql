-- The outbox of pushes.

-- name: list_people_with_devices
-- Those of some people who have devices.
SELECT DISTINCT person_id
FROM push_devices
WHERE person_id = ANY(:person_ids::uuid[]);

-- name: add_for_notifications
-- Store the pushes of notifications: one for each device of a person who has not refused the topic, and whose
-- session there was not ended.
INSERT INTO push_messages (
    notification_id, device_id, kind, data, urgent, state, created_at, due_at, expires_at, attempts
)
SELECT
    new.notification_id, devices.device_id, new.kind, new.data, new.urgent, 'pending', new.at, new.at,
    new.expires_at, 0
FROM unnest(
    :ids::uuid[], :kinds::text[], :person_ids::uuid[], :datas::text[], :topics::text[], :urgents::boolean[],
    :ats::timestamptz[], :expires_ats::timestamptz[]
) AS new (notification_id, kind, person_id, data, topic, urgent, at, expires_at)
INNER JOIN push_devices AS devices ON devices.person_id = new.person_id
WHERE
    new.topic IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM notification_choices AS choices
        WHERE
            choices.person_id = new.person_id
            AND choices.topic = new.topic
            AND choices.channel = 'push'
            AND NOT choices.wanted
    )
    AND NOT EXISTS (
        SELECT 1 FROM sessions
        WHERE sessions.session_id = devices.session_id AND sessions.revoked_at IS NOT NULL
    )
ON CONFLICT DO NOTHING;

-- name: claim
-- Claim messages that are due, what is urgent first: they are not due again before :until. Locked rows belong
-- to another process that claims at this moment. A device is not written to after its session was ended.
WITH due AS (
    SELECT messages.notification_id, messages.device_id
    FROM push_messages AS messages
    INNER JOIN push_devices AS devices ON devices.device_id = messages.device_id
    WHERE
        messages.state = 'pending'
        AND messages.due_at <= :now::timestamptz
        AND NOT EXISTS (
            SELECT 1 FROM sessions
            WHERE sessions.session_id = devices.session_id AND sessions.revoked_at IS NOT NULL
        )
    ORDER BY messages.urgent DESC, messages.due_at
    LIMIT :limit
    FOR NO KEY UPDATE OF messages SKIP LOCKED
)

UPDATE push_messages AS messages
SET due_at = :until, attempts = messages.attempts + 1
FROM due
INNER JOIN push_devices AS devices ON devices.device_id = due.device_id
WHERE messages.notification_id = due.notification_id AND messages.device_id = due.device_id
RETURNING
    messages.notification_id, messages.device_id, devices.person_id, messages.kind, messages.data,
    devices.endpoint, devices.device_key, devices.auth, messages.urgent, messages.created_at,
    messages.expires_at,
    messages.attempts;

-- name: finish
-- Write how a message ended.
UPDATE push_messages
SET state = :state, finished_at = :now, answer = :answer
WHERE notification_id = :notification_id AND device_id = :device_id AND state = 'pending';

-- name: postpone
-- Write when a message is attempted again.
UPDATE push_messages
SET due_at = :due_at, answer = :answer, attempts = :attempts
WHERE notification_id = :notification_id AND device_id = :device_id AND state = 'pending';

-- name: note_success
-- Note that a device gets messages.
UPDATE push_devices SET failures = 0 WHERE device_id = :device_id AND failures > 0;

-- name: note_failure
-- Note that a device did not get a message.
UPDATE push_devices SET failures = failures + 1 WHERE device_id = :device_id;

-- name: remove_failing
-- Delete a device that did not get this many messages in a row.
DELETE FROM push_devices WHERE device_id = :device_id AND failures >= :failures;

-- name: remove
-- Delete a device that accepts nothing any more.
DELETE FROM push_devices WHERE device_id = :device_id AND endpoint = :endpoint;

-- name: expire
-- Finish messages that were not sent while they were of use.
WITH late AS (
    SELECT notification_id, device_id
    FROM push_messages
    WHERE state = 'pending' AND expires_at <= :now::timestamptz
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)

UPDATE push_messages
SET state = 'expired', finished_at = :now
FROM late
WHERE push_messages.notification_id = late.notification_id AND push_messages.device_id = late.device_id
RETURNING push_messages.notification_id;

-- name: forget_old
-- Delete some of the messages from before an instant: ids are in the order of time.
DELETE FROM push_messages
USING (
    SELECT notification_id, device_id
    FROM push_messages
    WHERE notification_id < :before AND state <> 'pending'
    ORDER BY notification_id
    LIMIT :limit
) AS gone
WHERE push_messages.notification_id = gone.notification_id AND push_messages.device_id = gone.device_id;

-- name: oldest_due
-- When the messages that wait are due, the earliest.
SELECT min(due_at) FROM push_messages WHERE state = 'pending';
