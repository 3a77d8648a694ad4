-- Leases: who does a thing that one process at a time should do.

-- name: take_lease
-- Take a lease that is free or expired, or keep one's own longer. The row stays locked until the transaction ends: what the holder does in the
-- same transaction, nobody does at the same time. A holder whose machine is cut off in the middle of that loses its connection when its lease is
-- over, or it would keep the row for as long as the network takes to notice.
INSERT INTO leases (name, holder, expires_at)
VALUES (:name, :holder, :expires_at)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE leases.holder = excluded.holder OR leases.expires_at <= :now
RETURNING set_config('idle_in_transaction_session_timeout', :idle_max::text, true) IS NOT NULL;

-- name: end_lease
-- Let go, so that the next one need not wait.
DELETE FROM leases WHERE name = :name AND holder = :holder;
