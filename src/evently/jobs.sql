-- Background work, stored as rows.

-- name: defer
-- Store jobs in the transaction of the effects that they belong to. Procrastinate's triggers notify, and a
-- notifying commit takes a lock that is global to the server: call this from the relay, never on the booking
-- path.
SELECT procrastinate_defer_jobs_v1(
    array_agg(
        ROW(
            'default', new.task, 0, new.lock, NULL, new.arguments::jsonb, NULL
        )::procrastinate_job_to_defer_v1
    )
)
FROM unnest(:tasks::text[], :locks::text[], :arguments::text[]) AS new (task, lock, arguments);

-- name: list_failed
-- Jobs whose attempts are used up, the newest first.
SELECT
    procrastinate_jobs.id,
    procrastinate_jobs.task_name,
    procrastinate_jobs.args::text AS args,
    procrastinate_jobs.attempts,
    (
        SELECT max(procrastinate_events.at)
        FROM procrastinate_events
        WHERE procrastinate_events.job_id = procrastinate_jobs.id
    ) AS failed_at
FROM procrastinate_jobs
WHERE
    procrastinate_jobs.status = 'failed'
    AND (:after::bigint IS NULL OR procrastinate_jobs.id < :after)
ORDER BY procrastinate_jobs.id DESC
LIMIT :limit;

-- name: lock_failed
-- Lock a job whose attempts are used up.
SELECT id
FROM procrastinate_jobs
WHERE id = :job_id AND status = 'failed'
FOR UPDATE;

-- name: retry
-- Attempt a failed job once more.
SELECT procrastinate_retry_job_v2(:job_id, :now, NULL, NULL, NULL);

-- name: count_jobs
-- How many jobs wait or run, since when the oldest one that is due waits, and how many have failed.
SELECT
    count(*) FILTER (WHERE status IN ('todo', 'doing')) AS waiting,
    min(scheduled_at) FILTER (WHERE status = 'todo' AND scheduled_at <= :now) AS due_since,
    count(*) FILTER (WHERE status = 'failed') AS failed
FROM procrastinate_jobs
WHERE status IN ('todo', 'doing', 'failed');
