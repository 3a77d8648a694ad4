-- name: describe_server
-- What an operator must know about the server, and whether this role may do what migrations do.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS version_number,
    pg_is_in_recovery() AS is_standby,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer AS connections_max,
    has_schema_privilege(current_user, 'public', 'CREATE') AS may_create,
    clock_timestamp() AS now;

-- name: read_log_copies
-- Whether the server archives its log, and when its last attempts worked and failed.
SELECT
    current_setting('archive_mode') <> 'off' AS is_on,
    archiver.last_archived_time AS copied_at,
    archiver.last_failed_time AS failed_at
FROM pg_stat_get_archiver() AS archiver;
