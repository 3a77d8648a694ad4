-- name: create_key
-- Store the private key, unless there is one.
INSERT INTO push_keys (only_row, private_key, created_at)
VALUES (true, :private_key, :now)
ON CONFLICT (only_row) DO NOTHING;

-- name: read_key
-- Return the private key.
SELECT private_key
FROM push_keys;
