-- Passkeys, and the challenges that were used.

-- name: list_passkeys
-- Return the passkeys of a person, oldest first.
SELECT {passkey}
FROM passkeys
WHERE person_id = :person_id
ORDER BY passkey_id
LIMIT :limit;

-- name: count_passkeys
-- Count the passkeys of a locked person.
SELECT count(*) FROM passkeys WHERE person_id = :person_id;

-- name: find_key
-- Return the key that a browser names.
SELECT passkey_id, person_id, public_key, sign_count, copied_at
FROM passkeys
WHERE credential_id = :credential_id;

-- name: lock_key
-- Lock a key: of two uses at the same time, the second one sees the count of the first.
SELECT passkey_id, person_id, public_key, sign_count, copied_at
FROM passkeys
WHERE passkey_id = :passkey_id
FOR NO KEY UPDATE;

-- name: add_passkey
-- Add a passkey, unless its id is taken.
INSERT INTO passkeys (
    passkey_id, person_id, credential_id, public_key, sign_count, name, transports, synced, created_at,
    last_used_at, copied_at
)
VALUES (
    :passkey_id, :person_id, :credential_id, :public_key, :sign_count, :name, :transports, :synced, :now,
    NULL, NULL
)
ON CONFLICT (credential_id) DO NOTHING
RETURNING passkey_id;

-- name: record_use
-- Write that a passkey was used.
UPDATE passkeys SET sign_count = :sign_count, synced = :synced, last_used_at = :now
WHERE passkey_id = :passkey_id;

-- name: record_copy
-- Write that a copy of a key exists; the first time counts.
UPDATE passkeys SET copied_at = coalesce(copied_at, :now::timestamptz)
WHERE passkey_id = :passkey_id;

-- name: rename_passkey
-- Change the name of a passkey.
UPDATE passkeys SET name = :name
WHERE passkey_id = :passkey_id AND person_id = :person_id
RETURNING {passkey};

-- name: remove_passkey
-- Remove one passkey of a person.
DELETE FROM passkeys
WHERE passkey_id = :passkey_id AND person_id = :person_id
RETURNING name;

-- name: remove_newer
-- Remove the passkeys that a person got since an instant.
DELETE FROM passkeys WHERE person_id = :person_id AND created_at >= :since;

-- name: remove_all
-- Remove the passkeys of a person.
DELETE FROM passkeys WHERE person_id = :person_id;

-- name: use_challenge
-- Write that a challenge was used, unless it was before.
INSERT INTO used_challenges (challenge_hash, expires_at)
VALUES (:challenge_hash, :expires_at)
ON CONFLICT (challenge_hash) DO NOTHING
RETURNING challenge_hash;

-- name: delete_challenges
-- Delete at most :limit used challenges that have expired: their end alone refuses them now.
DELETE FROM used_challenges
WHERE challenge_hash IN (
    SELECT challenge_hash
    FROM used_challenges
    WHERE expires_at < :before
    ORDER BY expires_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
