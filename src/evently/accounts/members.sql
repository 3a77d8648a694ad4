-- name: find_role
-- Return the role of a person at an organizer.
SELECT role
FROM organizer_members
WHERE organizer_id = :organizer_id AND person_id = :person_id;

-- name: list_roles
-- Return the role of each member of an organizer, for the access check of requests.
SELECT person_id, role
FROM organizer_members
WHERE organizer_id = :organizer_id
LIMIT :limit;

-- name: count_members
-- Count the members of an organizer.
SELECT count(*)
FROM organizer_members
WHERE organizer_id = :organizer_id;

-- name: add_member
-- Add a person who is not a member yet.
INSERT INTO organizer_members (organizer_id, person_id, role, version, since)
VALUES (:organizer_id, :person_id, :role, 1, :now)
ON CONFLICT (organizer_id, person_id) DO NOTHING
RETURNING person_id;

-- name: find_member
-- Return one member.
SELECT
    organizer_members.organizer_id,
    organizer_members.person_id,
    people.name,
    people.email,
    organizer_members.role,
    organizer_members.version,
    organizer_members.since
FROM organizer_members
INNER JOIN people ON people.person_id = organizer_members.person_id
WHERE organizer_members.organizer_id = :organizer_id AND organizer_members.person_id = :person_id;

-- name: list_members
-- Return the members of an organizer.
SELECT
    organizer_members.organizer_id,
    organizer_members.person_id,
    people.name,
    people.email,
    organizer_members.role,
    organizer_members.version,
    organizer_members.since
FROM organizer_members
INNER JOIN people ON people.person_id = organizer_members.person_id
WHERE
    organizer_members.organizer_id = :organizer_id
    AND (:after::uuid IS NULL OR organizer_members.person_id > :after)
ORDER BY organizer_members.person_id
LIMIT :limit;

-- name: has_other_owner
-- Return whether an organizer has another owner.
SELECT EXISTS(
    SELECT 1 FROM organizer_members
    WHERE organizer_id = :organizer_id AND role = 'owner' AND person_id <> :person_id
);

-- name: change_role
-- Change the role of a member.
UPDATE organizer_members SET role = :role, version = version + 1
WHERE organizer_id = :organizer_id AND person_id = :person_id;

-- name: remove_member
-- Remove a member.
DELETE FROM organizer_members
WHERE organizer_id = :organizer_id AND person_id = :person_id;

-- name: lock_organizers_of
-- Lock the organizers of a person who leaves them all, in key order, so that their owners cannot change.
SELECT organizer_id
FROM organizers
WHERE organizer_id IN (SELECT organizer_id FROM organizer_members WHERE person_id = :person_id)
ORDER BY organizer_id
FOR NO KEY UPDATE;

-- name: list_solely_owned
-- Return the names of at most ten organizers that have no other owner than this person.
SELECT organizers.name
FROM organizer_members AS mine
INNER JOIN organizers ON organizers.organizer_id = mine.organizer_id
WHERE
    mine.person_id = :person_id
    AND mine.role = 'owner'
    AND NOT EXISTS (
        SELECT 1 FROM organizer_members AS others
        WHERE
            others.organizer_id = mine.organizer_id
            AND others.role = 'owner'
            AND others.person_id <> :person_id
    )
ORDER BY mine.organizer_id
LIMIT 10;

-- name: leave_all
-- Remove a person from every organizer.
DELETE FROM organizer_members
WHERE person_id = :person_id;
