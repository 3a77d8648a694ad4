-- name: add_rehearsal_buyers
-- People for a rehearsal. They have no e-mail, so none can be taken, and no password, so nobody can log in as them.
INSERT INTO people (person_id, email, name, password_hash, role, version, created_at, erased_at)
SELECT new.person_id, NULL, 'Rehearsal buyer ' || new.number, NULL, 'buyer', 1, :now, NULL
FROM unnest(:person_ids::uuid[]) WITH ORDINALITY AS new (person_id, number);
