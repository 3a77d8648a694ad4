-- name: add_rehearsal_buyers
-- Add the buyers of a rehearsal. They have no e-mail, so they take none from anybody, and no password, so
-- they cannot log in.
INSERT INTO people (person_id, email, name, password_hash, role, version, created_at, erased_at)
SELECT new.person_id, NULL, 'Rehearsal buyer ' || new.number, NULL, 'buyer', 1, :now, NULL
FROM unnest(:person_ids::uuid[]) WITH ORDINALITY AS new (person_id, number);

-- name: remove_buyers
-- Delete the buyers of a rehearsal. Nobody else is deleted: they alone have neither e-mail nor password.
DELETE FROM people
WHERE person_id = ANY(:person_ids::uuid[]) AND email IS NULL AND password_hash IS NULL AND erased_at IS NULL;
