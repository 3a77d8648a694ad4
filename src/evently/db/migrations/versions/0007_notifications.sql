-- owner: notifications

-- Messages to people: created by the relay from the facts of the journal, in the transaction that marks them
-- delivered. Ids only; the code that shows or sends a notification reads the rest. They belong to the people
-- plane: read by person, erased with the person.
CREATE TABLE notifications (
    event_id uuid NOT NULL,
    seq bigint NOT NULL, -- of the journal row it comes from
    -- From 0, within the row; a row that is delivered twice creates no second notification.
    line integer NOT NULL,
    notification_id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    booking_id uuid,
    entry_id uuid, -- a waitlist entry
    refund_id uuid,
    created_at timestamptz NOT NULL, -- when the fact happened
    read_at timestamptz, -- NULL -> an instant, once
    CONSTRAINT notifications_pk PRIMARY KEY (event_id, seq, line),
    CONSTRAINT notifications_kind_ck CHECK (
        kind IN (
            'offer_made', 'offer_lapsed', 'entry_withdrawn', 'booking_confirmed',
            'booking_cancelled', 'tickets_cancelled', 'return_taken', 'refund_paid'
        )
    ),
    CONSTRAINT notifications_about_ck CHECK (booking_id IS NOT NULL OR entry_id IS NOT NULL)
);
-- A person's notifications, newest first; and a single one.
CREATE UNIQUE INDEX notifications_person_uq ON notifications (person_id, notification_id);
-- A person's unread notifications.
CREATE INDEX notifications_unread_ix ON notifications (person_id, notification_id) WHERE read_at IS NULL;
CREATE INDEX notifications_old_ix ON notifications (created_at); -- delete old notifications
