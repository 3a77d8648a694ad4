-- Payments and refunds, on their way and arrived. Of the event plane: keyed by event_id first.

-- owner: checkout

-- A buyer's attempt at paying for a booking. The row is the saga: whoever finds it can go on from its state, for each step is harmless to repeat.
-- Transitions:
--   authorising   -> action_needed | authorised | declined | voiding    the gateway is asked to reserve the money
--   action_needed -> authorised | declined | voiding                    the buyer is asked: a page of the gateway, a code of the bank
--   authorised    -> confirmed | voiding                                the till is asked to confirm the booking
--   confirmed     -> captured | losing                                  the gateway is asked to collect the money
--   voiding       -> voided                                             the gateway is asked to let go of the money
--   losing        -> lost                                               the money cannot be collected: the till is asked to cancel the booking
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
    method text, -- how to pay, in the gateway's words; NULL: the buyer is asked
    hosted boolean NOT NULL, -- on a page of the gateway
    return_url text, -- where that page leads when it is done
    description text NOT NULL, -- what is paid for, as the buyer sees it
    expires_at timestamptz NOT NULL, -- the end of the hold when it began
    reference text, -- the gateway's name for it
    next_action text, -- what the buyer must do, as JSON
    failure_code text,
    failure_message text, -- for the buyer
    state text NOT NULL, -- as above
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL, -- of the state
    resume_at timestamptz, -- when somebody should look at it again; NULL: it is final
    tries integer NOT NULL, -- of that, in this state
    CONSTRAINT payments_pk PRIMARY KEY (event_id, payment_id),
    CONSTRAINT payments_booking_fk FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, booking_id),
    CONSTRAINT payments_state_ck CHECK (
        state IN (
            'authorising', 'action_needed', 'authorised', 'confirmed', 'captured', 'declined', 'voiding', 'voided', 'losing', 'lost'
        )
    ),
    CONSTRAINT payments_final_ck CHECK ((resume_at IS NULL) = (state IN ('captured', 'declined', 'voided', 'lost'))),
    CONSTRAINT payments_reference_ck CHECK (reference IS NOT NULL OR state IN ('authorising', 'declined', 'voiding', 'voided')),
    CONSTRAINT payments_amount_ck CHECK (amount_minor > 0),
    CONSTRAINT payments_attempt_ck CHECK (attempt >= 1)
);
-- One payment of a booking that can still take money: whoever pays twice at once pays once.
CREATE UNIQUE INDEX payments_live_uq ON payments (event_id, booking_id)
WHERE state IN ('authorising', 'action_needed', 'authorised', 'confirmed', 'captured');
CREATE UNIQUE INDEX payments_attempt_uq ON payments (event_id, booking_id, attempt); -- the payments of a booking
CREATE UNIQUE INDEX payments_key_uq ON payments (event_id, buyer_id, idempotency_key) WHERE idempotency_key IS NOT NULL; -- a request again
CREATE INDEX payments_payment_ix ON payments (payment_id); -- find a payment by its id alone
CREATE INDEX payments_reference_ix ON payments (gateway, reference) WHERE reference IS NOT NULL; -- find a payment by the gateway's name for it
CREATE INDEX payments_resume_ix ON payments (resume_at) WHERE resume_at IS NOT NULL; -- what somebody should look at

-- How far the gateway is with what the till has decided to pay back (`refunds`).
-- Transitions: asking -> settled | never_paid | failed; failed -> asking, by hand and with the next attempt.
CREATE TABLE payment_refunds (
    event_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    attempt integer NOT NULL, -- from 1; the gateway is asked once for each, however often it is asked
    reference text, -- the gateway's name for it
    failure_code text,
    failure_message text, -- for the organizer
    state text NOT NULL, -- as above
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    resume_at timestamptz, -- when somebody should look at it again; NULL: nobody by itself
    tries integer NOT NULL,
    CONSTRAINT payment_refunds_pk PRIMARY KEY (event_id, refund_id),
    CONSTRAINT payment_refunds_refund_fk FOREIGN KEY (event_id, refund_id) REFERENCES refunds (event_id, refund_id),
    CONSTRAINT payment_refunds_payment_fk FOREIGN KEY (event_id, payment_id) REFERENCES payments (event_id, payment_id),
    CONSTRAINT payment_refunds_state_ck CHECK (state IN ('asking', 'settled', 'never_paid', 'failed')),
    CONSTRAINT payment_refunds_final_ck CHECK ((resume_at IS NULL) = (state != 'asking')),
    CONSTRAINT payment_refunds_amount_ck CHECK (amount_minor > 0),
    CONSTRAINT payment_refunds_attempt_ck CHECK (attempt >= 1)
);
CREATE INDEX payment_refunds_payment_ix ON payment_refunds (event_id, payment_id); -- the refunds of a payment
CREATE INDEX payment_refunds_failed_ix ON payment_refunds (event_id, refund_id) WHERE state = 'failed'; -- what a person must look at
CREATE INDEX payment_refunds_resume_ix ON payment_refunds (resume_at) WHERE resume_at IS NOT NULL; -- what somebody should look at
