-- name: is_member
-- Whether somebody with this e-mail belongs to an organizer.
SELECT EXISTS(
    SELECT FROM people
    INNER JOIN organizer_members ON organizer_members.person_id = people.person_id
    WHERE people.email = :email AND organizer_members.organizer_id = :organizer_id
);

-- name: count_open
-- How many others an organizer has invited.
SELECT count(*)
FROM organizer_invitations
WHERE organizer_id = :organizer_id AND email <> :email AND expires_at > :now;

-- name: withdraw_from
-- Take back an earlier invitation to the same e-mail.
DELETE FROM organizer_invitations
WHERE organizer_id = :organizer_id AND email = :email;

-- name: invite
-- Invite somebody.
INSERT INTO organizer_invitations (invitation_id, organizer_id, email, role, code_hash, invited_by, created_at, expires_at)
VALUES (:invitation_id, :organizer_id, :email, :role, :code_hash, :invited_by, :created_at, :expires_at);

-- name: list_open
-- The open invitations of an organizer.
SELECT invitation_id, organizer_id, email, role, invited_by, created_at, expires_at
FROM organizer_invitations
WHERE organizer_id = :organizer_id AND expires_at > :now AND (:after::uuid IS NULL OR invitation_id > :after)
ORDER BY invitation_id
LIMIT :limit;

-- name: withdraw
-- Take back an invitation.
DELETE FROM organizer_invitations
WHERE organizer_id = :organizer_id AND invitation_id = :invitation_id
RETURNING invitation_id;

-- name: find_organizer_of
-- Whose code this is: the organizer is locked first.
SELECT organizer_id
FROM organizer_invitations
WHERE code_hash = :code_hash;

-- name: redeem
-- Use up a code, if it is for this e-mail and still good.
DELETE FROM organizer_invitations
WHERE code_hash = :code_hash AND email = :email AND expires_at > :now
RETURNING invitation_id, organizer_id, email, role, invited_by, created_at, expires_at;

-- name: forget_email
-- Forget the invitations to an e-mail.
DELETE FROM organizer_invitations
WHERE email = :email;

-- name: forget_expired
-- Forget at most :limit expired invitations.
DELETE FROM organizer_invitations
WHERE invitation_id IN (
    SELECT invitation_id FROM organizer_invitations WHERE expires_at < :now ORDER BY invitation_id LIMIT :limit FOR UPDATE SKIP LOCKED
);
