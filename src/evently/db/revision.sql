-- name: read_revision
-- Return the newest applied revision, which Alembic stores.
SELECT version_num FROM alembic_version;
