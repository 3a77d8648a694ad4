-- Leases: who does a thing that one process at a time should do.

-- name: take_lease
-- Take a lease that is free or expired, or keep one's own longer. The row stays locked until the transaction ends: what the holder does in the
-- same transaction, nobody does at the same time.
INSERT INTO leases (name, holder, expires_at)
VALUES (:name, :holder, :expires_at)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE leases.holder = excluded.holder OR leases.expires_at <= :now
RETURNING true;

-- name: end_lease
-- Let go, so that the next one need not wait.
DELETE FROM leases WHERE name = :name AND holder = :holder;
