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
