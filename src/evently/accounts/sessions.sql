-- name: list_oldest
-- Return the live sessions of a person beyond the newest :kept, at most a hundred.
SELECT session_id
FROM sessions
WHERE person_id = :person_id AND revoked_at IS NULL AND expires_at > :now
ORDER BY session_id DESC
OFFSET :kept
LIMIT 100;

-- name: open_session
-- Add a session. Only one in a browser has :browser_hash.
INSERT INTO sessions (session_id, person_id, created_at, expires_at, revoked_at, browser_hash)
VALUES (:session_id, :person_id, :now, :expires_at, NULL, :browser_hash);

-- name: find_in_browser
-- Return the live session of a browser's secret, and its person.
SELECT sessions.session_id, sessions.expires_at, people.person_id
FROM sessions
INNER JOIN people ON people.person_id = sessions.person_id
WHERE
    sessions.browser_hash = :browser_hash
    AND sessions.revoked_at IS NULL
    AND sessions.expires_at > :now
    AND people.erased_at IS NULL;

-- name: add_token
-- Add the next refresh token of a session, and delete the token that is too old to matter.
-- The primary key prevents a second child.
WITH deleted AS (
    DELETE FROM refresh_tokens
    WHERE session_id = :session_id AND number = :deleted
)
INSERT INTO refresh_tokens (session_id, number, token_hash, used_at)
VALUES (:session_id, :number, :token_hash, NULL);

-- name: find_owner
-- Return the person to whom a refresh token belongs.
SELECT sessions.person_id
FROM refresh_tokens
INNER JOIN sessions ON sessions.session_id = refresh_tokens.session_id
WHERE refresh_tokens.token_hash = :token_hash;

-- name: lock_session
-- Lock the session of a refresh token. The lock puts concurrent refreshes in order.
SELECT session_id, expires_at, revoked_at
FROM sessions
WHERE session_id = (SELECT session_id FROM refresh_tokens WHERE token_hash = :token_hash)
FOR UPDATE;

-- name: find_token
-- Return a refresh token, and whether its child was used.
SELECT
    parent.session_id,
    parent.number,
    parent.used_at,
    coalesce(child.used_at IS NOT NULL, false) AS child_was_used
FROM refresh_tokens AS parent
LEFT JOIN refresh_tokens AS child ON child.session_id = parent.session_id AND child.number = parent.number + 1
WHERE parent.token_hash = :token_hash;

-- name: use_token
-- Mark a refresh token as used.
UPDATE refresh_tokens SET used_at = :now
WHERE session_id = :session_id AND number = :number AND used_at IS NULL;

-- name: list_live
-- Return the sessions of a person that have not ended, except one.
SELECT session_id
FROM sessions
WHERE person_id = :person_id AND revoked_at IS NULL AND (:kept::uuid IS NULL OR session_id <> :kept)
ORDER BY session_id
LIMIT 1000;

-- name: list_sessions
-- Return the sessions of a person that have not ended, newest first.
SELECT session_id, created_at, expires_at, browser_hash IS NOT NULL AS in_browser
FROM sessions
WHERE person_id = :person_id AND revoked_at IS NULL AND expires_at > :now
ORDER BY session_id DESC
LIMIT :limit;

-- name: is_session_of
-- Return whether a session is a person's.
SELECT EXISTS(SELECT 1 FROM sessions WHERE session_id = :session_id AND person_id = :person_id);

-- name: is_open_since
-- Return whether a session that has not ended was opened since an instant.
SELECT EXISTS(
    SELECT 1 FROM sessions
    WHERE session_id = :session_id AND created_at >= :since AND revoked_at IS NULL
);

-- name: end_sessions
-- End sessions, locked in key order, and add the revocations that every process polls.
WITH locked AS (
    SELECT session_id
    FROM sessions
    WHERE session_id = ANY(:session_ids::uuid[]) AND revoked_at IS NULL
    ORDER BY session_id
    FOR UPDATE
),

ended AS (
    UPDATE sessions SET revoked_at = :now
    FROM locked
    WHERE sessions.session_id = locked.session_id
    RETURNING sessions.session_id
)

INSERT INTO revocations (session_id, at)
SELECT session_id, :now::timestamptz FROM ended
RETURNING session_id;

-- name: delete_revocations
-- Delete at most :limit revocations whose last access token has expired.
DELETE FROM revocations
WHERE session_id IN (
    SELECT session_id
    FROM revocations
    WHERE at < :before
    ORDER BY session_id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);

-- name: delete_sessions
-- Delete at most :limit sessions that expired long ago, with their refresh tokens.
DELETE FROM sessions
WHERE session_id IN (
    SELECT session_id
    FROM sessions
    WHERE expires_at < :before
    ORDER BY session_id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
