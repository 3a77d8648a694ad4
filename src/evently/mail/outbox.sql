-- The outbox of e-mails.

-- name: add
-- Store a message to an address.
INSERT INTO mail_messages (
    message_id, kind, person_id, address, data, urgent, state, created_at, due_at, expires_at, attempts
)
VALUES (
    :message_id, :kind, :person_id, :address, :data, :urgent, 'pending', :now::timestamptz, :now, :expires_at,
    0
);

-- name: add_for_notifications
-- Store the e-mails of notifications whose people have an address and want them: at most one for each. A
-- topic is NULL if it cannot be refused.
INSERT INTO mail_messages (
    message_id, kind, person_id, address, data, urgent, state, created_at, due_at, expires_at, attempts
)
SELECT
    new.notification_id, new.kind, new.person_id, people.email, new.data, new.urgent, 'pending', new.at,
    new.at, new.expires_at, 0
FROM unnest(
    :ids::uuid[], :kinds::text[], :person_ids::uuid[], :datas::text[], :topics::text[], :urgents::boolean[],
    :ats::timestamptz[], :expires_ats::timestamptz[]
) AS new (notification_id, kind, person_id, data, topic, urgent, at, expires_at)
INNER JOIN people ON people.person_id = new.person_id AND people.email IS NOT NULL
WHERE
    new.topic IS NULL
    OR (
        NOT EXISTS (
            SELECT 1 FROM notification_choices AS choices
            WHERE
                choices.person_id = new.person_id
                AND choices.topic = new.topic
                AND choices.channel = 'email'
                AND NOT choices.wanted
        )
        AND NOT EXISTS (SELECT 1 FROM mail_bounces WHERE mail_bounces.address = people.email)
    )
ON CONFLICT DO NOTHING;

-- name: list_ticket_offers
-- What e-mails say of offers of tickets that are still open: none of a person whose account was closed, and
-- none about a sandbox event.
SELECT
    transfers.event_id,
    transfers.transfer_id,
    transfers.address,
    transfers.expires_at,
    people.name AS giver,
    ticket_types.name AS type_name,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label
FROM transfers
INNER JOIN events ON events.event_id = transfers.event_id AND NOT events.sandbox
INNER JOIN people ON people.person_id = transfers.giver_id AND people.erased_at IS NULL
INNER JOIN tickets ON tickets.event_id = transfers.event_id AND tickets.ticket_id = transfers.ticket_id
INNER JOIN ticket_types
    ON ticket_types.event_id = tickets.event_id AND ticket_types.ticket_type_id = tickets.ticket_type_id
WHERE transfers.transfer_id = ANY(:transfer_ids::uuid[]) AND transfers.state = 'offered'
ORDER BY transfers.offered_at, transfers.transfer_id;

-- name: list_resent
-- When the tickets of a booking were sent again, oldest first (mail_messages_person_ix).
SELECT created_at
FROM mail_messages
WHERE person_id = :person_id AND kind = :kind AND data = :data AND created_at > :since
ORDER BY created_at;

-- name: list_last_with_tickets
-- The newest message with the tickets of each booking to its buyer, and what became of it; no row for a
-- booking without one (mail_messages_person_ix).
SELECT DISTINCT ON (booked.number)
    booked.number, mail_messages.address, mail_messages.state
FROM unnest(:person_ids::uuid[], :datas::text[]) WITH ORDINALITY AS booked (person_id, data, number)
INNER JOIN mail_messages
    ON
        mail_messages.person_id = booked.person_id
        AND mail_messages.data = booked.data
        AND mail_messages.kind = ANY(:kinds::text[])
ORDER BY booked.number, mail_messages.created_at DESC, mail_messages.message_id DESC;

-- name: claim
-- Claim messages that are due, what is urgent first: they are not due again before :until. Locked rows belong
-- to another process that claims at this moment.
WITH urgent AS (
    SELECT message_id
    FROM mail_messages
    WHERE state = 'pending' AND urgent AND due_at <= :now::timestamptz
    ORDER BY due_at
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
),

others AS (
    SELECT message_id
    FROM mail_messages
    WHERE state = 'pending' AND NOT urgent AND due_at <= :now
    ORDER BY due_at
    LIMIT greatest(:limit - (SELECT count(*) FROM urgent), 0)
    FOR NO KEY UPDATE SKIP LOCKED
),

claimed AS (
    UPDATE mail_messages
    SET due_at = :until, attempts = mail_messages.attempts + 1
    FROM (SELECT message_id FROM urgent UNION ALL SELECT message_id FROM others) AS due
    WHERE mail_messages.message_id = due.message_id
    RETURNING
        mail_messages.message_id, mail_messages.kind, mail_messages.person_id, mail_messages.address,
        mail_messages.data, mail_messages.urgent, mail_messages.created_at, mail_messages.expires_at,
        mail_messages.attempts
)

SELECT
    claimed.message_id, claimed.kind, claimed.person_id, claimed.address, claimed.data, claimed.created_at,
    claimed.expires_at, claimed.attempts, mail_bounces.address IS NOT NULL AS bounced
FROM claimed
LEFT JOIN mail_bounces ON mail_bounces.address = claimed.address
ORDER BY claimed.urgent DESC, claimed.created_at, claimed.message_id;

-- name: finish
-- Write how a message ended. One that expired while the server accepted it was sent.
UPDATE mail_messages
SET
    state = :state,
    finished_at = :now,
    answer = :answer,
    rendered = :rendered,
    data = CASE WHEN kind = ANY(:secret_kinds::text[]) THEN NULL ELSE data END
WHERE message_id = :message_id AND (state = 'pending' OR (state = 'expired' AND :state = 'sent'));

-- name: postpone
-- Write when a message is attempted again.
UPDATE mail_messages
SET due_at = :due_at, answer = :answer, attempts = :attempts
WHERE message_id = :message_id AND state = 'pending';

-- name: note_bounce
-- Note that an address has refused a message for good.
INSERT INTO mail_bounces (address, bounced_at, answer)
VALUES (:address, :now, :answer)
ON CONFLICT (address) DO UPDATE
SET bounced_at = excluded.bounced_at, answer = excluded.answer;

-- name: forget_bounce
-- Note that an address accepts messages.
DELETE FROM mail_bounces WHERE address = :address;

-- name: find_bounce
-- Whether an address has refused a message for good.
SELECT bounced_at, answer
FROM mail_bounces
WHERE address = :address;

-- name: expire
-- Finish messages that were not sent while they were of use. One that is being sent is not waited for: if the
-- server accepts it, it was sent.
WITH late AS (
    SELECT message_id
    FROM mail_messages
    WHERE state = 'pending' AND expires_at <= :now::timestamptz
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)

UPDATE mail_messages
SET
    state = 'expired',
    finished_at = :now,
    data = CASE WHEN mail_messages.kind = ANY(:secret_kinds::text[]) THEN NULL ELSE mail_messages.data END
FROM late
WHERE mail_messages.message_id = late.message_id
RETURNING mail_messages.message_id;

-- name: forget_old
-- Delete some of the messages from before an instant: ids are in the order of time.
DELETE FROM mail_messages
USING (
    SELECT message_id
    FROM mail_messages
    WHERE message_id < :before AND state <> 'pending'
    ORDER BY message_id
    LIMIT :limit
) AS gone
WHERE mail_messages.message_id = gone.message_id;

-- name: forget_person
-- Delete the messages to a person, and the bounces of their addresses.
WITH gone AS (
    DELETE FROM mail_messages WHERE person_id = :person_id RETURNING address
)

DELETE FROM mail_bounces WHERE address IN (SELECT address FROM gone);

-- name: oldest_due
-- When the messages that wait are due, the earliest. The index has its first row at once.
SELECT least(
    (SELECT min(due_at) FROM mail_messages WHERE state = 'pending' AND urgent),
    (SELECT min(due_at) FROM mail_messages WHERE state = 'pending' AND NOT urgent)
);

-- name: list_rendered
-- What the demo's mailbox shows, newest first; :search is a part of an address or empty.
SELECT message_id, kind, address, finished_at, rendered
FROM mail_messages
WHERE
    rendered IS NOT NULL
    AND position(:search::text IN address) > 0
    AND (:before::uuid IS NULL OR message_id < :before)
ORDER BY message_id DESC
LIMIT :limit;

-- name: find_rendered
-- One message of the demo's mailbox.
SELECT message_id, kind, address, finished_at, rendered
FROM mail_messages
WHERE message_id = :message_id AND rendered IS NOT NULL;
