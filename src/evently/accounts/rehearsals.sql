-- name: add_rehearsal_buyers
-- Add the buyers of a rehearsal. They have no e-mail, so they take none from anybody, and no password, so
-- they cannot log in.
INSERT INTO people (person_id, email, name, password_hash, role, version, created_at, erased_at)
SELECT new.person_id, NULL, 'Rehearsal buyer ' || new.number, NULL, 'buyer', 1, :now, NULL
FROM unnest(:person_ids::uuid[]) WITH ORDINALITY AS new (person_id, number);
