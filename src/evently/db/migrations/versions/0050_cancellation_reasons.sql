-- owner: sales

-- Why the organizer cancelled a booking, or tickets of it, with the place of the fact in the journal. Only
-- inserted.
CREATE TABLE cancellation_reasons (
    event_id uuid NOT NULL,
    seq bigint NOT NULL,
    line integer NOT NULL, -- of the fact in its journal row, from 0
    booking_id uuid NOT NULL,
    reason text NOT NULL,
    CONSTRAINT cancellation_reasons_pk PRIMARY KEY (event_id, seq, line),
    CONSTRAINT cancellation_reasons_sale_fk
    FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT cancellation_reasons_place_ck CHECK (seq >= 1 AND line >= 0),
    CONSTRAINT cancellation_reasons_reason_ck CHECK (length(reason) BETWEEN 1 AND 500)
);
-- The page of a booking.
CREATE INDEX cancellation_reasons_booking_ix ON cancellation_reasons (event_id, booking_id);

-- owner: catalogue

-- Why the organizer cancelled an event, in their words; NULL: nothing was said, or it is not cancelled.
ALTER TABLE events ADD COLUMN cancellation_reason text;
