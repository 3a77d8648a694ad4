-- name: take_turns
-- Lock the filling of the demo until the end of the transaction: a second process waits, and then finds the
-- demo filled.
SELECT pg_advisory_xact_lock(7236412078540123465);
