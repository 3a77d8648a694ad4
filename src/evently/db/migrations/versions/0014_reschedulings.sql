-- owner: sales

-- Each change of the time or place of an event that is on sale. What a buyer was promised is counted from the
-- starts that were valid since the booking. Only inserted.
CREATE TABLE reschedulings (
    event_id uuid NOT NULL,
    number integer NOT NULL, -- 1, 2, ...
    rescheduled_at timestamptz NOT NULL,
    starts_before timestamptz NOT NULL,
    starts_at timestamptz NOT NULL,
    place_changed boolean NOT NULL,
    CONSTRAINT reschedulings_pk PRIMARY KEY (event_id, number),
    CONSTRAINT reschedulings_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT reschedulings_number_ck CHECK (number >= 1),
    CONSTRAINT reschedulings_change_ck CHECK (place_changed OR starts_at <> starts_before)
);

-- owner: notifications

-- The booking, when one fact tells the buyers of many; else the nil id. Without it, a fact of an event would
-- notify one booking only. The old constraints are replaced in the same statement by wider ones, and the rows
-- of the last months, which are all there are, are indexed in seconds.
ALTER TABLE notifications
ADD COLUMN booking_told uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notifications_kind_ck,
ADD CONSTRAINT notifications_kind_ck CHECK (
    kind IN (
        'offer_made', 'offer_lapsed', 'entry_withdrawn', 'booking_confirmed', 'booking_cancelled',
        'tickets_cancelled', 'return_taken', 'refund_paid', 'event_rescheduled'
    )
) NOT VALID,
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notifications_pk,
-- squawk-ignore constraint-missing-not-valid, adding-serial-primary-key-field
ADD CONSTRAINT notifications_pk PRIMARY KEY (event_id, seq, line, booking_told);
