-- name: read_revision
-- The newest revision that was applied, which Alembic wrote.
SELECT version_num FROM alembic_version;
