-- name: count_owned
-- Count the organizers that a person owns.
SELECT count(*)
FROM organizer_members
WHERE person_id = :person_id AND role = 'owner';

-- name: add_organizer
-- Add an organizer.
INSERT INTO organizers (organizer_id, name, contact_email, version, created_at)
VALUES (:organizer_id, :name, :contact_email, :version, :created_at);

-- name: find_organizer
-- Return one organizer.
SELECT {organizer}
FROM organizers
WHERE organizer_id = :organizer_id;

-- name: list_memberships
-- Return the organizers of a person, with the person's role in each.
SELECT {organizers.organizer}, organizer_members.role
FROM organizer_members
INNER JOIN organizers ON organizers.organizer_id = organizer_members.organizer_id
WHERE
    organizer_members.person_id = :person_id
    AND (:after::uuid IS NULL OR organizer_members.organizer_id > :after)
ORDER BY organizer_members.organizer_id
LIMIT :limit;

-- name: lock_organizer
-- Lock an organizer before it or its members change: two owners must not leave at the same time.
-- NO KEY: transactions that insert foreign keys to the organizer need not wait.
SELECT {organizer}
FROM organizers
WHERE organizer_id = :organizer_id
FOR NO KEY UPDATE;

-- name: edit_organizer
-- Change the name and the contact e-mail of an organizer.
UPDATE organizers SET name = :name, contact_email = :contact_email, version = version + 1
WHERE organizer_id = :organizer_id
RETURNING {organizer};

-- name: list_organizers
-- Organizers whose name begins with a text, the newest first, with how many members they have.
SELECT
    {organizers.organizer},
    (
        SELECT count(*)
        FROM organizer_members
        WHERE organizer_members.organizer_id = organizers.organizer_id
    ) AS members
FROM organizers
WHERE
    (:after::uuid IS NULL OR organizers.organizer_id < :after)
    AND (
        :low::text IS NULL
        OR (lower(organizers.name) COLLATE "C" >= :low AND lower(organizers.name) COLLATE "C" < :high::text)
    )
ORDER BY organizers.organizer_id DESC
LIMIT :limit;
