-- name: find_role
-- What somebody is at an organizer.
SELECT role
FROM organizer_members
WHERE organizer_id = :organizer_id AND person_id = :person_id;

-- name: list_roles
-- What everybody is at an organizer, for the guard.
SELECT person_id, role
FROM organizer_members
WHERE organizer_id = :organizer_id
LIMIT :limit;

-- name: count_members
-- How many belong to an organizer.
SELECT count(*)
FROM organizer_members
WHERE organizer_id = :organizer_id;

-- name: add_member
-- Add somebody who does not belong yet.
INSERT INTO organizer_members (organizer_id, person_id, role, version, since)
VALUES (:organizer_id, :person_id, :role, 1, :now)
ON CONFLICT (organizer_id, person_id) DO NOTHING
RETURNING person_id;

-- name: find_member
-- One member.
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
-- The members of an organizer.
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
WHERE organizer_members.organizer_id = :organizer_id AND (:after::uuid IS NULL OR organizer_members.person_id > :after)
ORDER BY organizer_members.person_id
LIMIT :limit;

-- name: has_other_owner
-- Whether an organizer has another owner.
SELECT EXISTS(
    SELECT FROM organizer_members
    WHERE organizer_id = :organizer_id AND role = 'owner' AND person_id <> :person_id
);

-- name: change_role
-- Another role.
UPDATE organizer_members SET role = :role, version = version + 1
WHERE organizer_id = :organizer_id AND person_id = :person_id;

-- name: remove_member
-- Remove somebody.
DELETE FROM organizer_members
WHERE organizer_id = :organizer_id AND person_id = :person_id;

-- name: lock_organizers_of
-- The organizers of somebody who leaves, in key order, so that their owners cannot change meanwhile.
SELECT organizer_id
FROM organizers
WHERE organizer_id IN (SELECT organizer_id FROM organizer_members WHERE person_id = :person_id)
ORDER BY organizer_id
FOR NO KEY UPDATE;

-- name: list_left_alone
-- Some organizers that only this person owns.
SELECT organizers.name
FROM organizer_members AS mine
INNER JOIN organizers ON organizers.organizer_id = mine.organizer_id
WHERE
    mine.person_id = :person_id
    AND mine.role = 'owner'
    AND NOT EXISTS (
        SELECT FROM organizer_members AS others
        WHERE others.organizer_id = mine.organizer_id AND others.role = 'owner' AND others.person_id <> :person_id
    )
ORDER BY mine.organizer_id
LIMIT 10;

-- name: leave_all
-- Take somebody out of every organizer.
DELETE FROM organizer_members
WHERE person_id = :person_id;
