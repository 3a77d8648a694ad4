-- owner: notifications

-- Three more kinds. `seq` is below 1 for what the clock asks for: a reminder, an offer in its last hours.
ALTER TABLE notifications
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notifications_kind_ck,
ADD CONSTRAINT notifications_kind_ck CHECK (
    kind IN (
        'offer_made', 'offer_ending', 'offer_lapsed', 'entry_withdrawn', 'booking_confirmed',
        'booking_cancelled', 'tickets_cancelled', 'return_taken', 'refund_paid', 'payment_failed',
        'event_rescheduled', 'event_reminder'
    )
) NOT VALID;

-- What a person wants to be told, by which channel. Without a row: wanted.
CREATE TABLE notification_choices (
    person_id uuid NOT NULL,
    topic text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    chosen_at timestamptz NOT NULL,
    CONSTRAINT notification_choices_pk PRIMARY KEY (person_id, topic, channel),
    CONSTRAINT notification_choices_person_fk FOREIGN KEY (person_id) REFERENCES people (person_id),
    CONSTRAINT notification_choices_topic_ck CHECK (topic IN ('changes', 'waitlist', 'reminders', 'tickets')),
    CONSTRAINT notification_choices_channel_ck CHECK (channel IN ('email')),
    CONSTRAINT notification_choices_required_ck CHECK (wanted OR topic <> 'tickets')
);

-- owner: mail

-- E-mails: each to one address. Stored in the transaction of what it is about; sent later, outside of any.
CREATE TABLE mail_messages (
    message_id uuid NOT NULL, -- of the notification, if it is the e-mail of one: so there is at most one
    kind text NOT NULL,
    person_id uuid, -- NULL: to an address alone
    address text NOT NULL,
    data text, -- what it is rendered from, JSON; NULL once a secret in it is of no use any more
    urgent boolean NOT NULL, -- a person waits for it
    state text NOT NULL, -- pending -> sent, bounced, failed, expired or dropped; expired -> sent
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL, -- of the next attempt, or the end of the claim of the process that sends it
    expires_at timestamptz NOT NULL, -- it is of no use later
    attempts integer NOT NULL,
    finished_at timestamptz, -- when it left the state pending
    answer text, -- what the server answered last, or why it was dropped
    rendered bytea, -- only in the demo, whose mailbox shows it
    CONSTRAINT mail_messages_pk PRIMARY KEY (message_id),
    CONSTRAINT mail_messages_state_ck CHECK (
        state IN ('pending', 'sent', 'bounced', 'failed', 'expired', 'dropped')
        AND (state = 'pending') = (finished_at IS NULL)
    ),
    CONSTRAINT mail_messages_data_ck CHECK (data IS NOT NULL OR state <> 'pending'),
    CONSTRAINT mail_messages_attempts_ck CHECK (attempts >= 0)
);
-- Messages to be sent, and to expire
CREATE INDEX mail_messages_due_ix ON mail_messages (urgent, due_at) WHERE state = 'pending';
CREATE INDEX mail_messages_person_ix ON mail_messages (person_id); -- delete those of an erased person
-- The demo's mailbox, newest first
CREATE INDEX mail_messages_rendered_ix ON mail_messages (message_id) WHERE rendered IS NOT NULL;

-- Addresses that a server has refused for good. A message that is accepted for one deletes its row.
CREATE TABLE mail_bounces (
    address text NOT NULL,
    bounced_at timestamptz NOT NULL,
    answer text NOT NULL, -- of the server
    CONSTRAINT mail_bounces_pk PRIMARY KEY (address)
);
