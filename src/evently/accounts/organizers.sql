-- name: count_owned
-- How many organizers somebody owns.
SELECT count(*)
FROM organizer_members
WHERE person_id = :person_id AND role = 'owner';

-- name: add_organizer
-- Add an organizer.
INSERT INTO organizers (organizer_id, name, contact_email, version, created_at)
VALUES (:organizer_id, :name, :contact_email, :version, :created_at);

-- name: find_organizer
-- One organizer.
SELECT organizer_id, name, contact_email, version, created_at
FROM organizers
WHERE organizer_id = :organizer_id;

-- name: list_memberships
-- The organizers of a person, with their role there.
SELECT
    organizers.organizer_id,
    organizers.name,
    organizers.contact_email,
    organizers.version,
    organizers.created_at,
    organizer_members.role
FROM organizer_members
INNER JOIN organizers ON organizers.organizer_id = organizer_members.organizer_id
WHERE organizer_members.person_id = :person_id AND (:after::uuid IS NULL OR organizer_members.organizer_id > :after)
ORDER BY organizer_members.organizer_id
LIMIT :limit;

-- name: lock_organizer
-- An organizer that is being changed, it or its members: owners must not leave at the same time. NO KEY: foreign keys may go on pointing here.
SELECT organizer_id, name, contact_email, version, created_at
FROM organizers
WHERE organizer_id = :organizer_id
FOR NO KEY UPDATE;

-- name: edit_organizer
-- Another name, another address.
UPDATE organizers SET name = :name, contact_email = :contact_email, version = version + 1
WHERE organizer_id = :organizer_id
RETURNING organizer_id, name, contact_email, version, created_at;
