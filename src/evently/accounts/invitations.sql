-- name: is_member
-- Return whether a person with this e-mail is a member of an organizer.
SELECT EXISTS(
    SELECT 1 FROM people
    INNER JOIN organizer_members ON organizer_members.person_id = people.person_id
    WHERE people.email = :email AND organizer_members.organizer_id = :organizer_id
);

-- name: count_open
-- Count the open invitations of an organizer to other e-mails.
SELECT count(*)
FROM organizer_invitations
WHERE organizer_id = :organizer_id AND email <> :email AND expires_at > :now;

-- name: withdraw_from
-- Withdraw an earlier invitation to the same e-mail.
DELETE FROM organizer_invitations
WHERE organizer_id = :organizer_id AND email = :email;

-- name: invite
-- Add an invitation.
INSERT INTO organizer_invitations ({invitation}, code_hash)
VALUES (
    :invitation_id, :organizer_id, :email, :role, :invited_by, :created_at, :expires_at, :code_hash
);

-- name: list_open
-- Return the open invitations of an organizer.
SELECT {invitation}
FROM organizer_invitations
WHERE organizer_id = :organizer_id AND expires_at > :now AND (:after::uuid IS NULL OR invitation_id > :after)
ORDER BY invitation_id
LIMIT :limit;

-- name: withdraw
-- Withdraw an invitation.
DELETE FROM organizer_invitations
WHERE organizer_id = :organizer_id AND invitation_id = :invitation_id
RETURNING invitation_id;

-- name: find_organizer_of
-- Return the organizer that made a code. It is locked before the code is redeemed.
SELECT organizer_id
FROM organizer_invitations
WHERE code_hash = :code_hash;

-- name: redeem
-- Use up a code that was made for this e-mail and has not expired.
DELETE FROM organizer_invitations
WHERE code_hash = :code_hash AND email = :email AND expires_at > :now
RETURNING {invitation};

-- name: delete_for_email
-- Delete the invitations to an e-mail.
DELETE FROM organizer_invitations
WHERE email = :email;

-- name: delete_expired
-- Delete at most :limit expired invitations.
DELETE FROM organizer_invitations
WHERE invitation_id IN (
    SELECT invitation_id
    FROM organizer_invitations
    WHERE expires_at < :now
    ORDER BY invitation_id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
