-- Our change of the library's schema: workers poll once a second instead of listening, because a commit that
-- notifies takes a lock that is global to the server.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1;
