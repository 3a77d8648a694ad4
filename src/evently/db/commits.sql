-- A commit that changes nothing.

-- name: write_log_record
-- Write a record to the log (WAL), which the commit must flush and a synchronous standby must confirm. No row
-- is changed.
SELECT pg_logical_emit_message(true, 'evently', 'probe');
