-- name: create_secret
-- Store the secret, unless there is one.
INSERT INTO installation (only_row, secret, created_at)
VALUES (true, :secret, :now)
ON CONFLICT (only_row) DO NOTHING;

-- name: read_secret
-- Return the secret.
SELECT secret
FROM installation;
