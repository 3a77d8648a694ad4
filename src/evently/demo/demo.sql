-- name: take_turns
-- One fills the database with the demo at a time; the other then finds it filled. Until the end of the
-- transaction.
SELECT pg_advisory_xact_lock(7236412078540123465);
