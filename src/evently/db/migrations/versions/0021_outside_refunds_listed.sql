-- owner: sales

-- Refunds and disputes at the gateway by another hand, as the journal records them. One that fails, or a
-- dispute that is won, is reversed; should the money leave again, it gets another row.
CREATE TABLE outside_refunds (
    event_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL, -- the gateway's id of the refund or dispute
    amount_minor bigint NOT NULL,
    recorded_at timestamptz NOT NULL, -- when it was recorded, not when it happened
    reversed_at timestamptz,
    CONSTRAINT outside_refunds_pk PRIMARY KEY (event_id, refund_id),
    CONSTRAINT outside_refunds_booking_fk FOREIGN KEY (event_id, booking_id)
        REFERENCES bookings (event_id, booking_id),
    CONSTRAINT outside_refunds_kind_ck CHECK (kind IN ('refund', 'dispute')),
    CONSTRAINT outside_refunds_amount_ck CHECK (amount_minor > 0),
    CONSTRAINT outside_refunds_reversed_ck CHECK (reversed_at >= recorded_at)
);
-- The refunds of a booking that are current; each is counted once.
CREATE UNIQUE INDEX outside_refunds_current_uq ON outside_refunds (event_id, booking_id, reference)
    WHERE reversed_at IS NULL;
