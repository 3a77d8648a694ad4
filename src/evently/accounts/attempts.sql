-- name: count_try
-- Count one more try, from one where the period is over. Concurrent tries wait for one another here, so none is lost.
INSERT INTO login_attempts AS known (account_hash, origin_hash, tries, since, trusted_until)
VALUES (:account, :origin, 1, :now, NULL)
ON CONFLICT (account_hash, origin_hash) DO UPDATE SET
    tries = CASE WHEN known.since <= :expired::timestamptz THEN 1 ELSE known.tries + 1 END,
    since = CASE WHEN known.since <= :expired THEN excluded.since ELSE known.since END
RETURNING tries, since, trusted_until;

-- name: succeed
-- A password was right: nothing is counted any more, and this origin is known. The strangers' row (the empty hash) is taken last, as `count_try` does.
UPDATE login_attempts SET
    tries = 0,
    trusted_until = CASE WHEN login_attempts.origin_hash = :origin THEN :trusted_until::timestamptz END
FROM (
    SELECT account_hash, origin_hash
    FROM login_attempts
    WHERE account_hash = :account AND origin_hash IN (:strangers, :origin)
    ORDER BY origin_hash DESC
    FOR UPDATE
) AS locked
WHERE login_attempts.account_hash = locked.account_hash AND login_attempts.origin_hash = locked.origin_hash;

-- name: forget_account
-- Forget an account.
DELETE FROM login_attempts
WHERE account_hash = :account;

-- name: forget_old
-- Forget at most :limit rows that no longer count and that trust nobody.
DELETE FROM login_attempts
WHERE (account_hash, origin_hash) IN (
    SELECT account_hash, origin_hash
    FROM login_attempts
    WHERE since < :before AND (trusted_until IS NULL OR trusted_until < :now)
    ORDER BY account_hash, origin_hash
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
