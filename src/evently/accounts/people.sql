-- name: add_person
-- Add a person, unless the e-mail is taken.
INSERT INTO people (
    person_id, email, name, password_hash, role, version, created_at, erased_at, email_verified_at
)
VALUES (:person_id, :email, :name, :password_hash, :role, 1, :now, NULL, :verified_at)
ON CONFLICT (email) DO NOTHING
RETURNING person_id;

-- name: find_person
-- Return one person.
SELECT {person}
FROM people
WHERE person_id = :person_id;

-- name: find_name
-- The name of a person or of an API key.
SELECT name FROM people WHERE person_id = :actor_id AND erased_at IS NULL
UNION ALL
SELECT name FROM api_keys WHERE api_key_id = :actor_id
LIMIT 1;

-- name: find_by_email
-- Return the person who logs in, with the password hash.
SELECT {person}, password_hash
FROM people
WHERE email = :email;

-- name: find_password
-- Return a person who enters the password again, with the password hash.
SELECT {person}, password_hash
FROM people
WHERE person_id = :person_id AND erased_at IS NULL;

-- name: list_people
-- Return people whose e-mail or name lies between two texts, newest first. These are ranges in the "C"
-- collation, because an index finds a prefix as such a range. The buyers of rehearsals, who have no e-mail,
-- are left out.
SELECT {person}
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

-- name: lock_person_shared
-- Return a person and prevent changes until the transaction ends: a session that is being opened must not
-- miss a change of role, nor survive the erasure of the person.
SELECT {person}
FROM people
WHERE person_id = :person_id
FOR SHARE;

-- name: confirm_password
-- Lock a person (shared) whose password is still the one that was verified.
SELECT person_id
FROM people
WHERE person_id = :person_id AND password_hash = :password_hash
FOR SHARE;

-- name: lock_person
-- Lock a person before a change. NO KEY: transactions that insert foreign keys to the person need not wait.
SELECT {person}
FROM people
WHERE person_id = :person_id
FOR NO KEY UPDATE;

-- name: lock_by_email
-- Lock the person with an e-mail before a change.
SELECT {person}
FROM people
WHERE email = :email
FOR NO KEY UPDATE;

-- name: find_id_by_email
-- Return the id of the person with an e-mail.
SELECT person_id
FROM people
WHERE email = :email;

-- name: verify_email
-- Write that the address is the person's; delete a password that was chosen before that was known.
UPDATE people SET
    email_verified_at = :now,
    password_hash = CASE WHEN :keep_password::boolean THEN password_hash END,
    version = version + 1
WHERE person_id = :person_id
RETURNING {person};

-- name: change_email
-- Change the address of a person.
UPDATE people SET email = :email, email_verified_at = :now, version = version + 1
WHERE person_id = :person_id
RETURNING {person};

-- name: drop_password
-- Delete the password of a person.
UPDATE people SET password_hash = NULL
WHERE person_id = :person_id;

-- name: set_password
-- Set the password hash of a person who has proved the address.
UPDATE people SET password_hash = :password_hash
WHERE person_id = :person_id AND erased_at IS NULL;

-- name: lock_with_admins
-- Lock a person and every admin, in key order, so that the set of admins cannot change.
SELECT {person}
FROM people
WHERE person_id = :person_id OR role = 'admin'
ORDER BY person_id
FOR NO KEY UPDATE;

-- name: has_other_admin
-- Return whether another person is an admin, and can log in.
SELECT EXISTS(
    SELECT 1 FROM people WHERE role = 'admin' AND person_id <> :person_id AND locked_at IS NULL
);

-- name: rename
-- Change the name of a person.
UPDATE people SET name = :name, version = version + 1
WHERE person_id = :person_id
RETURNING {person};

-- name: change_role
-- Change the platform role of a person.
UPDATE people SET role = :role, version = version + 1
WHERE person_id = :person_id
RETURNING {person};

-- name: set_locked
-- Keep a person from logging in, or allow it again.
UPDATE people SET locked_at = :locked_at, version = version + 1
WHERE person_id = :person_id
RETURNING {person};

-- name: change_password
-- Replace the password hash, if the stored one is still the one that was verified.
UPDATE people SET password_hash = :after
WHERE person_id = :person_id AND erased_at IS NULL AND password_hash IS NOT DISTINCT FROM :before::text
RETURNING person_id;

-- name: erase_person
-- Erase the personal data of a person; the row and its id stay.
UPDATE people SET
    email = NULL,
    name = :name,
    email_verified_at = NULL,
    password_hash = NULL,
    role = 'buyer',
    version = version + 1,
    erased_at = :now
WHERE person_id = :person_id;
