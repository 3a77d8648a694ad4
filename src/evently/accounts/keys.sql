-- name: count_live
-- Count the live keys of an organizer, without those of devices.
SELECT count(*)
FROM api_keys
WHERE organizer_id = :organizer_id AND only_event_id IS NULL AND revoked_at IS NULL;

-- name: add_key
-- Add a key.
INSERT INTO api_keys (
    api_key_id, organizer_id, name, hint, secret_hash, scopes, created_by, created_at,
    last_used_at, revoked_at, only_event_id
)
VALUES (
    :api_key_id, :organizer_id, :name, :hint, :secret_hash, :scopes, :created_by, :now, NULL, NULL,
    :only_event_id
);

-- name: list_keys
-- Return the keys of an organizer, newest first, without those of devices.
SELECT {api_key}
FROM api_keys
WHERE
    organizer_id = :organizer_id
    AND only_event_id IS NULL
    AND (:after::uuid IS NULL OR api_key_id < :after)
ORDER BY api_key_id DESC
LIMIT :limit;

-- name: find_live
-- Return the live key that a request presents.
SELECT {api_key}
FROM api_keys
WHERE secret_hash = :secret_hash AND revoked_at IS NULL;

-- name: revoke_key
-- Revoke a key. A second revocation keeps the time of the first.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now)
WHERE organizer_id = :organizer_id AND api_key_id = :api_key_id
RETURNING {api_key};

-- name: record_uses
-- Record when keys were last used, unless that was recorded within :precision. A row that another process
-- updates at the same moment is skipped.
WITH uses AS (
    SELECT unnest(:api_key_ids::uuid[]) AS api_key_id, unnest(:used_at::timestamptz[]) AS used_at
),

locked AS (
    SELECT api_keys.api_key_id, uses.used_at
    FROM uses
    INNER JOIN api_keys ON api_keys.api_key_id = uses.api_key_id
    WHERE api_keys.last_used_at IS NULL OR api_keys.last_used_at <= uses.used_at - :precision::interval
    ORDER BY api_keys.api_key_id
    FOR NO KEY UPDATE OF api_keys SKIP LOCKED
)

UPDATE api_keys SET last_used_at = locked.used_at
FROM locked
WHERE api_keys.api_key_id = locked.api_key_id;
