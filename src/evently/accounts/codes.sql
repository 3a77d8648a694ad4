-- Codes by e-mail.

-- name: add
-- Add a code.
INSERT INTO email_codes (
    code_id, purpose, email, name, person_id, receipt_hash, code_hash, link_hash, wrong_tries, created_at,
    expires_at
)
VALUES (
    :code_id, :purpose, :email, :name, :person_id, :receipt_hash, :code_hash, :link_hash, 0, :now, :expires_at
);

-- name: lock_by_receipt
-- Lock the code of a receipt: tries at the same time wait for each other, so each wrong one counts.
SELECT {email_code}, code_hash, used_with
FROM email_codes
WHERE receipt_hash = :receipt_hash AND purpose = :purpose
FOR NO KEY UPDATE;

-- name: lock_by_link
-- Lock the code of a link: only one of two uses is the first.
SELECT {email_code}, code_hash, used_with
FROM email_codes
WHERE link_hash = :link_hash AND purpose = :purpose
FOR NO KEY UPDATE;

-- name: count_wrong_try
-- Count a wrong try.
UPDATE email_codes SET wrong_tries = wrong_tries + 1
WHERE code_id = :code_id;

-- name: use
-- Write which session a code opened. A repeated use keeps the instant of the first.
UPDATE email_codes
SET used_at = coalesce(used_at, :now::timestamptz), used_with = :used_with, session_id = :session_id
WHERE code_id = :code_id;

-- name: find_by_receipt
-- Return the code that a browser requested.
SELECT {email_code}
FROM email_codes
WHERE receipt_hash = :receipt_hash AND expires_at > :now;

-- name: find_by_link
-- Return the code of a link.
SELECT {email_code}
FROM email_codes
WHERE link_hash = :link_hash AND expires_at > :now;

-- name: lock_undo
-- Lock the link that undoes a change of an address: of two uses, the second one waits and finds nothing.
SELECT email, person_id, created_at
FROM email_codes
WHERE link_hash = :link_hash AND purpose = 'old_email' AND expires_at > :now
FOR UPDATE;

-- name: is_reserved
-- Whether the change from an address can still be undone.
SELECT EXISTS (
    SELECT 1 FROM email_codes WHERE email = :email AND purpose = 'old_email' AND expires_at > :now
);

-- name: delete_undos
-- Delete the links that undo changes of a person since an instant.
DELETE FROM email_codes
WHERE
    person_id = :person_id
    AND purpose = 'old_email'
    AND (:since::timestamptz IS NULL OR created_at >= :since);

-- name: delete_expired
-- Delete at most :limit codes that expired.
DELETE FROM email_codes
WHERE code_id IN (
    SELECT code_id
    FROM email_codes
    WHERE expires_at < :before
    ORDER BY expires_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
