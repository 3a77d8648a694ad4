-- What messages are signed with.

-- name: add
-- Store a secret.
INSERT INTO webhook_secrets (webhook_id, secret_id, secret, created_at)
VALUES (:webhook_id, :secret_id, :secret, :now);

-- name: list_live
-- The secrets that are valid, the newest first.
SELECT secret
FROM webhook_secrets
WHERE webhook_id = :webhook_id AND (expires_at IS NULL OR expires_at > :now)
ORDER BY secret_id DESC;

-- name: find_ending
-- When the secret before the present one ends, if it is still valid.
SELECT max(expires_at)
FROM webhook_secrets
WHERE webhook_id = :webhook_id AND expires_at > :now;

-- name: expire
-- End the present secret at an instant.
UPDATE webhook_secrets
SET expires_at = :expires_at
WHERE webhook_id = :webhook_id AND expires_at IS NULL;

-- name: forget_expired
-- Delete some secrets that are not valid any more.
DELETE FROM webhook_secrets
WHERE (webhook_id, secret_id) IN (
    SELECT webhook_id, secret_id
    FROM webhook_secrets
    WHERE expires_at <= :now
    LIMIT :limit
);
