-- name: make_secret
-- Make the secret, unless there is one.
INSERT INTO installation (only_row, secret, created_at)
VALUES (true, :secret, :now)
ON CONFLICT (only_row) DO NOTHING;

-- name: read_secret
-- The secret.
SELECT secret
FROM installation;
