-- name: add_person
-- Add somebody, unless the e-mail is taken.
INSERT INTO people (person_id, email, name, password_hash, role, version, created_at, erased_at)
VALUES (:person_id, :email, :name, :password_hash, :role, 1, :now, NULL)
ON CONFLICT (email) DO NOTHING
RETURNING person_id;

-- name: find_person
-- One person.
SELECT person_id, email, name, role, version, created_at, erased_at
FROM people
WHERE person_id = :person_id;

-- name: find_by_email
-- Who logs in.
SELECT person_id, email, name, role, version, created_at, erased_at, password_hash
FROM people
WHERE email = :email;

-- name: find_password
-- Whose password is asked for once more.
SELECT person_id, email, name, role, version, created_at, erased_at, password_hash
FROM people
WHERE person_id = :person_id AND erased_at IS NULL;

-- name: list_people
-- People whose e-mail or name lies between two texts, newest first. Ranges in the "C" collation, which are what an index can find a beginning by.
-- The buyers of rehearsals, who have no e-mail, are left out.
SELECT person_id, email, name, role, version, created_at, erased_at
FROM people
WHERE
    (:after::uuid IS NULL OR person_id < :after)
    AND (email IS NOT NULL OR erased_at IS NOT NULL)
    AND (
        :low::text IS NULL
        OR (email >= :low AND email < :high::text)
        OR (lower(name) COLLATE "C" >= :low AND lower(name) COLLATE "C" < :high)
    )
ORDER BY person_id DESC
LIMIT :limit;

-- name: hold_person
-- A person who must not change meanwhile: a session that is being opened must not miss a change of role, nor survive the erasure.
SELECT person_id, email, name, role, version, created_at, erased_at
FROM people
WHERE person_id = :person_id
FOR SHARE;

-- name: confirm_password
-- Hold a person whose password is still the one that was verified.
SELECT person_id
FROM people
WHERE person_id = :person_id AND password_hash = :password_hash
FOR SHARE;

-- name: lock_person
-- A person who is being changed. NO KEY: foreign keys may go on pointing here.
SELECT person_id, email, name, role, version, created_at, erased_at
FROM people
WHERE person_id = :person_id
FOR NO KEY UPDATE;

-- name: lock_with_admins
-- A person and every admin, in key order, so that who is an admin cannot change meanwhile.
SELECT person_id, email, name, role, version, created_at, erased_at
FROM people
WHERE person_id = :person_id OR role = 'admin'
ORDER BY person_id
FOR NO KEY UPDATE;

-- name: has_other_admin
-- Whether anybody else is an admin.
SELECT EXISTS(SELECT FROM people WHERE role = 'admin' AND person_id <> :person_id);

-- name: rename
-- Another name.
UPDATE people SET name = :name, version = version + 1
WHERE person_id = :person_id
RETURNING person_id, email, name, role, version, created_at, erased_at;

-- name: change_role
-- Another role.
UPDATE people SET role = :role, version = version + 1
WHERE person_id = :person_id
RETURNING person_id, email, name, role, version, created_at, erased_at;

-- name: change_password
-- Another hash, if the one before is still the one that was verified.
UPDATE people SET password_hash = :after
WHERE person_id = :person_id AND erased_at IS NULL AND password_hash IS NOT DISTINCT FROM :before::text
RETURNING person_id;

-- name: erase_person
-- Erase what a person can be known by.
UPDATE people SET email = NULL, name = :name, password_hash = NULL, role = 'buyer', version = version + 1, erased_at = :now
WHERE person_id = :person_id;
