-- The devices of people.

-- name: lock_person
-- Lock a person, so that devices of one person are added one after the other.
SELECT person_id
FROM people
WHERE person_id = :person_id
FOR NO KEY UPDATE;

-- name: add_device
-- Store a device of a person who is not erased, in the place of an earlier one with this endpoint.
INSERT INTO push_devices (
    device_id, person_id, session_id, endpoint, device_key, auth, created_at, failures
)
SELECT
    :device_id, people.person_id, :session_id::uuid, :endpoint::text, :device_key::bytea, :auth::bytea,
    :now::timestamptz, 0
FROM people
WHERE people.person_id = :person_id AND people.erased_at IS NULL
ON CONFLICT (endpoint) DO UPDATE
SET
    person_id = excluded.person_id,
    session_id = excluded.session_id,
    device_key = excluded.device_key,
    auth = excluded.auth,
    created_at = excluded.created_at,
    failures = 0;

-- name: crowd_out
-- Delete the oldest devices of a person beyond the newest :kept.
DELETE FROM push_devices
WHERE device_id IN (
    SELECT device_id
    FROM push_devices
    WHERE person_id = :person_id
    ORDER BY created_at DESC, device_id DESC
    OFFSET :kept
    LIMIT :limit
);

-- name: list_devices
-- The devices of a person whose sessions were not ended, newest first.
SELECT devices.device_id, devices.session_id, devices.endpoint, devices.created_at
FROM push_devices AS devices
WHERE
    devices.person_id = :person_id
    AND NOT EXISTS (
        SELECT 1 FROM sessions
        WHERE sessions.session_id = devices.session_id AND sessions.revoked_at IS NOT NULL
    )
ORDER BY devices.created_at DESC, devices.device_id DESC
LIMIT :limit;

-- name: remove_device
-- Delete a device of a person.
DELETE FROM push_devices WHERE person_id = :person_id AND device_id = :device_id;

-- name: forget_person
-- Delete the devices of a person.
DELETE FROM push_devices WHERE person_id = :person_id;

-- name: forget_ended
-- Delete some devices whose sessions were ended: before the sessions themselves are deleted.
DELETE FROM push_devices
WHERE device_id IN (
    SELECT devices.device_id
    FROM push_devices AS devices
    INNER JOIN sessions ON sessions.session_id = devices.session_id
    WHERE sessions.revoked_at IS NOT NULL
    LIMIT :limit
);
