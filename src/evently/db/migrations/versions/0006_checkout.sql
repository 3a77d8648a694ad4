-- Payments and refunds, in progress and final. They belong to the event plane: keyed by event_id first.

-- owner: checkout

-- A buyer's attempt at paying for a booking. The row is the saga: every process can continue from its state,
-- because each step is harmless to repeat.
-- Transitions:
--   authorising   -> action_needed | authorised | declined | voiding  the gateway authorises the money
--   action_needed -> authorised | declined | voiding                  the buyer acts: a page, a bank code
--   authorised    -> confirmed | voiding                              sales confirms the booking
--   confirmed     -> captured | losing                                the gateway captures the money
--   voiding       -> voided                                           the gateway voids the authorisation
--   losing        -> lost                                             sales cancels the booking
--   captured, declined, voided, lost are final
CREATE TABLE payments (
    event_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    attempt integer NOT NULL, -- of the booking, from 1
    idempotency_key text, -- of the request
    fingerprint bytea NOT NULL, -- of the request
    gateway text NOT NULL,
    method text, -- how to pay, as the gateway names it; NULL: the buyer chooses
    hosted boolean NOT NULL, -- on a page of the gateway
    return_url text, -- where that page returns to
    description text NOT NULL, -- text for the buyer
    expires_at timestamptz NOT NULL, -- the expiry of the hold when the payment began
    reference text, -- the gateway's name for it
    next_action text, -- what the buyer must do, as JSON
    failure_code text,
    failure_message text, -- for the buyer
    state text NOT NULL, -- transitions above
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL, -- time of the last change of state
    resume_at timestamptz, -- when the next step is due; NULL: final
    tries integer NOT NULL, -- tries of the present step
    CONSTRAINT payments_pk PRIMARY KEY (event_id, payment_id),
    CONSTRAINT payments_booking_fk FOREIGN KEY (event_id, booking_id)
        REFERENCES bookings (event_id, booking_id),
    CONSTRAINT payments_state_ck CHECK (
        state IN (
            'authorising', 'action_needed', 'authorised', 'confirmed', 'captured', 'declined',
            'voiding', 'voided', 'losing', 'lost'
        )
    ),
    CONSTRAINT payments_final_ck CHECK (
        (resume_at IS NULL) = (state IN ('captured', 'declined', 'voided', 'lost'))
    ),
    CONSTRAINT payments_reference_ck CHECK (
        reference IS NOT NULL OR state IN ('authorising', 'declined', 'voiding', 'voided')
    ),
    CONSTRAINT payments_amount_ck CHECK (amount_minor > 0),
    CONSTRAINT payments_attempt_ck CHECK (attempt >= 1)
);
-- At most one live payment of a booking: two concurrent payments become one.
CREATE UNIQUE INDEX payments_live_uq ON payments (event_id, booking_id)
WHERE state IN ('authorising', 'action_needed', 'authorised', 'confirmed', 'captured');
-- The payments of a booking.
CREATE UNIQUE INDEX payments_attempt_uq ON payments (event_id, booking_id, attempt);
-- A repeated request.
CREATE UNIQUE INDEX payments_key_uq ON payments (event_id, buyer_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX payments_payment_ix ON payments (payment_id); -- find a payment by its id alone
-- Find a payment by the gateway's name for it.
CREATE INDEX payments_reference_ix ON payments (gateway, reference) WHERE reference IS NOT NULL;
CREATE INDEX payments_resume_ix ON payments (resume_at) WHERE resume_at IS NOT NULL; -- due next steps

-- The progress of refunds at the gateway; sales has decided them (`refunds`).
-- Transitions: asking -> settled | never_paid | failed; failed -> asking, by hand and with the next attempt.
CREATE TABLE payment_refunds (
    event_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    -- From 1; the gateway carries out each attempt once, however often it is requested.
    attempt integer NOT NULL,
    reference text, -- the gateway's name for it
    failure_code text,
    failure_message text, -- for the organizer
    state text NOT NULL, -- transitions above
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    resume_at timestamptz, -- when the next step is due; NULL: none is scheduled
    tries integer NOT NULL,
    CONSTRAINT payment_refunds_pk PRIMARY KEY (event_id, refund_id),
    CONSTRAINT payment_refunds_refund_fk FOREIGN KEY (event_id, refund_id)
        REFERENCES refunds (event_id, refund_id),
    CONSTRAINT payment_refunds_payment_fk FOREIGN KEY (event_id, payment_id)
        REFERENCES payments (event_id, payment_id),
    CONSTRAINT payment_refunds_state_ck CHECK (state IN ('asking', 'settled', 'never_paid', 'failed')),
    CONSTRAINT payment_refunds_final_ck CHECK ((resume_at IS NULL) = (state != 'asking')),
    CONSTRAINT payment_refunds_amount_ck CHECK (amount_minor > 0),
    CONSTRAINT payment_refunds_attempt_ck CHECK (attempt >= 1)
);
CREATE INDEX payment_refunds_payment_ix ON payment_refunds (event_id, payment_id); -- the refunds of a payment
-- Refunds that a person must check.
CREATE INDEX payment_refunds_failed_ix ON payment_refunds (event_id, refund_id) WHERE state = 'failed';
-- Due next steps.
CREATE INDEX payment_refunds_resume_ix ON payment_refunds (resume_at) WHERE resume_at IS NOT NULL;
