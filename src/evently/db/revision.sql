-- name: read_revision
-- Return the newest applied revision, which Alembic stores.
SELECT version_num FROM alembic_version;

-- name: measure_size
-- How many bytes the database takes on its disk.
SELECT pg_database_size(current_database());
