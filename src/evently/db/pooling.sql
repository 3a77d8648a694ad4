-- A statement to prepare.

-- name: read_pid
-- Which process of the server answers.
SELECT pg_backend_pid();
