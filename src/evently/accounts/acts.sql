-- What administrators did.

-- name: lock_acts
-- Acts take turns until the end of the transaction: each has the hash of the one before.
SELECT pg_advisory_xact_lock(hashtext('admin_acts'));

-- name: find_last
-- The newest act.
SELECT number, hash
FROM admin_acts
ORDER BY number DESC
LIMIT 1;

-- name: add_act
-- Write an act down.
INSERT INTO admin_acts (number, admin_id, at, kind, subject, reason, hash)
VALUES (:number, :admin_id, :at, :kind, :subject, :reason, :hash);

-- name: list_acts
-- Acts with the names of their administrators, the newest first: of everybody, or about one subject.
SELECT
    admin_acts.number,
    admin_acts.admin_id,
    admin_acts.at,
    admin_acts.kind,
    admin_acts.subject,
    admin_acts.reason,
    people.name AS admin_name
FROM admin_acts
INNER JOIN people ON people.person_id = admin_acts.admin_id
WHERE
    (:subject::text IS NULL OR admin_acts.subject = :subject)
    AND (:after::bigint IS NULL OR admin_acts.number < :after)
ORDER BY admin_acts.number DESC
LIMIT :limit;

-- name: find_opening
-- When an administrator last said why they work at a desk, after an instant (admin_acts_subject_ix).
SELECT max(at) AS at
FROM admin_acts
WHERE subject = :subject AND kind = 'desk_opened' AND admin_id = :admin_id AND at > :after;

-- name: read_acts
-- Acts with their hashes, the oldest first.
SELECT number, admin_id, at, kind, subject, reason, hash
FROM admin_acts
WHERE number > :after
ORDER BY number
LIMIT :limit;
