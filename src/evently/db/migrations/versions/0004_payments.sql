-- The demo gateway's own tables, and the inbox of notices from gateways. They belong to the people plane: no
-- decision about selling depends on them.

-- owner: payments

-- Charges of the demo gateway. It simulates an outside provider: no other part reads or writes this table.
-- Transitions:
--   arriving      -> authorised | voided                     the first request was lost
--   waiting       -> authorised | voided                     decided at decides_at
--   action_needed -> authorised | declined | voided          the buyer is on the gateway's page
--   authorised    -> captured | lost | voided
--   captured, declined, lost, voided are final
CREATE TABLE demo_charges (
    reference text NOT NULL,
    payment_id uuid NOT NULL,
    attempt integer NOT NULL,
    booking_id uuid NOT NULL,
    booking_reference text NOT NULL, -- shown on the gateway's page, like the description
    description text NOT NULL,
    card text NOT NULL, -- which test card; never a number
    last_digits text NOT NULL, -- the last four at most
    state text NOT NULL, -- transitions above
    decline_code text, -- of a declined charge
    return_url text, -- where the gateway's page returns to
    amount_minor bigint NOT NULL,
    captured_minor bigint NOT NULL DEFAULT 0,
    refunded_minor bigint NOT NULL DEFAULT 0,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    decides_at timestamptz, -- when a waiting charge is decided
    CONSTRAINT demo_charges_pk PRIMARY KEY (reference),
    -- One charge for an attempt, however often it is requested.
    CONSTRAINT demo_charges_attempt_uq UNIQUE (payment_id, attempt),
    CONSTRAINT demo_charges_state_ck CHECK (
        state IN (
            'arriving', 'waiting', 'action_needed', 'authorised', 'captured', 'declined', 'lost', 'voided'
        )
    ),
    CONSTRAINT demo_charges_digits_ck CHECK (length(last_digits) <= 4),
    CONSTRAINT demo_charges_amount_ck CHECK (amount_minor > 0 AND captured_minor <= amount_minor),
    CONSTRAINT demo_charges_captured_ck CHECK ((state = 'captured') = (captured_minor > 0)),
    CONSTRAINT demo_charges_refunded_ck CHECK (refunded_minor BETWEEN 0 AND captured_minor),
    CONSTRAINT demo_charges_decline_ck CHECK ((state = 'declined') = (decline_code IS NOT NULL)),
    CONSTRAINT demo_charges_waiting_ck CHECK ((decides_at IS NOT NULL) OR state != 'waiting')
);

-- The effects of the demo gateway: its own journal, with which the audit compares the checkout.
CREATE TABLE demo_effects (
    reference text NOT NULL,
    key text NOT NULL, -- the idempotency key: a repeated effect is harmless
    kind text NOT NULL,
    amount_minor bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT demo_effects_pk PRIMARY KEY (reference, key),
    CONSTRAINT demo_effects_charge_fk FOREIGN KEY (reference)
        REFERENCES demo_charges (reference) ON DELETE CASCADE,
    CONSTRAINT demo_effects_kind_ck CHECK (
        kind IN ('authorised', 'captured', 'voided', 'refunded', 'refund_failed')
    )
);
-- Money is captured once.
CREATE UNIQUE INDEX demo_effects_captured_uq ON demo_effects (reference) WHERE kind = 'captured';

-- Notices of gateways as they were received: stored before they are processed, once for each id.
CREATE TABLE payment_notices (
    gateway text NOT NULL,
    notice_id text NOT NULL, -- the gateway's id
    kind text NOT NULL,
    reference text NOT NULL,
    payment_id uuid, -- NULL: unknown to the gateway
    said_at timestamptz NOT NULL, -- by the gateway's clock
    raw text NOT NULL, -- the kind, as the gateway names it
    received_at timestamptz NOT NULL,
    body bytea NOT NULL, -- as received, with a valid signature
    handled_at timestamptz,
    CONSTRAINT payment_notices_pk PRIMARY KEY (gateway, notice_id),
    CONSTRAINT payment_notices_kind_ck CHECK (
        kind IN (
            'authorised', 'action_needed', 'declined', 'captured', 'voided', 'refunded', 'refund_failed',
            'other'
        )
    )
);
-- Notices that have not been processed.
CREATE INDEX payment_notices_unhandled_ix ON payment_notices (received_at, gateway, notice_id)
    WHERE handled_at IS NULL;
-- Delete notices that were processed long ago.
CREATE INDEX payment_notices_handled_ix ON payment_notices (handled_at) WHERE handled_at IS NOT NULL;
