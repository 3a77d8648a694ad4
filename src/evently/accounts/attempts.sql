-- name: count_attempt
-- Count one more attempt; the count starts again at one when the period is over.
-- Concurrent attempts wait for each other on the row, so each of them is counted.
INSERT INTO login_attempts AS known (account_hash, origin_hash, tries, since, trusted_until)
VALUES (:account, :origin, 1, :now, NULL)
ON CONFLICT (account_hash, origin_hash) DO UPDATE SET
    tries = CASE WHEN known.since <= :expired::timestamptz THEN 1 ELSE known.tries + 1 END,
    since = CASE WHEN known.since <= :expired THEN excluded.since ELSE known.since END
RETURNING tries, since, trusted_until;

-- name: record_success
-- Reset the counts after a correct password, and trust this origin. The row of all unknown origins (the empty
-- hash) is locked last, as `count_attempt` does.
UPDATE login_attempts SET
    tries = 0,
    trusted_until = CASE WHEN login_attempts.origin_hash = :origin THEN :trusted_until::timestamptz END
FROM (
    SELECT account_hash, origin_hash
    FROM login_attempts
    WHERE account_hash = :account AND origin_hash IN (:unknown, :origin)
    ORDER BY origin_hash DESC
    FOR UPDATE
) AS locked
WHERE login_attempts.account_hash = locked.account_hash AND login_attempts.origin_hash = locked.origin_hash;

-- name: delete_account
-- Delete all counts of an account.
DELETE FROM login_attempts
WHERE account_hash = :account;

-- name: delete_old
-- Delete at most :limit rows whose period is over and which trust no origin.
DELETE FROM login_attempts
WHERE (account_hash, origin_hash) IN (
    SELECT account_hash, origin_hash
    FROM login_attempts
    WHERE since < :before AND (trusted_until IS NULL OR trusted_until < :now)
    ORDER BY account_hash, origin_hash
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
