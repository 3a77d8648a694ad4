-- Leases: work that one process at a time should do.

-- name: take_lease
-- Take a lease that nobody holds or that has expired, or extend one's own. The row stays locked until the
-- transaction ends: no other process does at the same time what the holder does in this transaction. When the
-- network cuts off the machine of the holder, the server ends its connection at the end of the lease;
-- otherwise the row would stay locked until the network reports the loss. A lease that ends later than any
-- that could be taken now was taken by a wrong clock, and holds nobody up.
INSERT INTO leases (name, holder, expires_at)
VALUES (:name, :holder, :expires_at)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE
    leases.holder = excluded.holder
    OR leases.expires_at <= :now
    OR leases.expires_at > :latest
RETURNING set_config('idle_in_transaction_session_timeout', :idle_max::text, true) IS NOT NULL;

-- name: end_lease
-- End a lease, so that the next process need not wait.
DELETE FROM leases WHERE name = :name AND holder = :holder;
