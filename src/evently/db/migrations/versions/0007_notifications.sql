-- owner: notifications

-- What people are told: made by the relay from the facts of the journal, in the transaction that marks them delivered. Ids only; whoever shows or
-- sends a notification looks up the rest. People plane: read by person, erased with the person.
CREATE TABLE notifications (
    event_id uuid NOT NULL,
    seq bigint NOT NULL, -- of the journal row it comes from
    line integer NOT NULL, -- from 0, within the row; so that a row that is delivered twice tells nobody twice
    notification_id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    booking_id uuid,
    entry_id uuid, -- of the waitlist
    refund_id uuid,
    created_at timestamptz NOT NULL, -- when it happened
    read_at timestamptz, -- NULL -> an instant, once
    CONSTRAINT notifications_pk PRIMARY KEY (event_id, seq, line),
    CONSTRAINT notifications_kind_ck CHECK (
        kind IN (
            'offer_made', 'offer_lapsed', 'entry_withdrawn', 'booking_confirmed', 'booking_cancelled', 'tickets_cancelled', 'return_taken', 'refund_paid'
        )
    ),
    CONSTRAINT notifications_about_ck CHECK (booking_id IS NOT NULL OR entry_id IS NOT NULL)
);
CREATE UNIQUE INDEX notifications_person_uq ON notifications (person_id, notification_id); -- a person's, newest first; and one of them
CREATE INDEX notifications_unread_ix ON notifications (person_id, notification_id) WHERE read_at IS NULL; -- what a person has not read
CREATE INDEX notifications_old_ix ON notifications (created_at); -- what is forgotten
