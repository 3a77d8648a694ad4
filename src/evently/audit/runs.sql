-- Audits that administrators asked for.

-- name: find_running
-- The audit that waits or runs. One that was requested long ago will not end any more.
SELECT run_id
FROM audit_runs
WHERE state IN ('waiting', 'running') AND requested_at > :since
LIMIT 1;

-- name: add_run
-- Write down that an audit is asked for.
INSERT INTO audit_runs (
    run_id, requested_by, requested_at, state, started_at, finished_at, findings, failure
)
VALUES (:run_id, :requested_by, :now, 'waiting', NULL, NULL, '', '');

-- name: start_run
-- Write down that an audit has begun. One that has ended stays as it is.
UPDATE audit_runs SET state = 'running', started_at = :now
WHERE run_id = :run_id AND state IN ('waiting', 'running')
RETURNING run_id;

-- name: finish_run
-- Write the result of an audit.
UPDATE audit_runs SET state = :state, finished_at = :now, findings = :findings, failure = :failure
WHERE run_id = :run_id AND state IN ('waiting', 'running');

-- name: list_runs
-- Audits, the newest first.
SELECT run_id, requested_by, requested_at, state, started_at, finished_at, findings, failure
FROM audit_runs
WHERE :after::uuid IS NULL OR run_id < :after
ORDER BY run_id DESC
LIMIT :limit;

-- name: find_run
-- One audit.
SELECT run_id, requested_by, requested_at, state, started_at, finished_at, findings, failure
FROM audit_runs
WHERE run_id = :run_id;
