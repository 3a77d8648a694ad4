-- A commit that changes nothing.

-- name: write_journal
-- Write a record that its commit must flush, and that a synchronous standby must confirm; no row is changed.
SELECT pg_logical_emit_message(true, 'evently', 'probe');
