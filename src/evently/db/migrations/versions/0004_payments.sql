-- The demo gateway's own tables, and the inbox of what gateways tell. Of the people plane: nothing of selling is decided here.

-- owner: payments

-- What the demo gateway was asked for. It plays an outside provider: nobody else reads or writes this.
-- Transitions:
--   arriving      -> authorised | voided                     the first try was lost on its way
--   waiting       -> authorised | voided                     decided at decides_at
--   action_needed -> authorised | declined | voided          the buyer is on its page
--   authorised    -> captured | lost | voided
--   captured, declined, lost, voided are final
CREATE TABLE demo_charges (
    reference text NOT NULL,
    payment_id uuid NOT NULL,
    attempt integer NOT NULL,
    booking_id uuid NOT NULL,
    booking_reference text NOT NULL, -- shown on its page, like the description
    description text NOT NULL,
    card text NOT NULL, -- which test card; never a number
    last_digits text NOT NULL, -- the last four at most
    state text NOT NULL, -- as above
    decline_code text, -- of a declined one
    return_url text, -- where its page leads
    amount_minor bigint NOT NULL,
    captured_minor bigint NOT NULL DEFAULT 0,
    refunded_minor bigint NOT NULL DEFAULT 0,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    decides_at timestamptz, -- of a waiting one
    CONSTRAINT demo_charges_pk PRIMARY KEY (reference),
    CONSTRAINT demo_charges_attempt_uq UNIQUE (payment_id, attempt), -- one charge for an attempt, however often it is asked for
    CONSTRAINT demo_charges_state_ck CHECK (
        state IN ('arriving', 'waiting', 'action_needed', 'authorised', 'captured', 'declined', 'lost', 'voided')
    ),
    CONSTRAINT demo_charges_digits_ck CHECK (length(last_digits) <= 4),
    CONSTRAINT demo_charges_amount_ck CHECK (amount_minor > 0 AND captured_minor <= amount_minor),
    CONSTRAINT demo_charges_captured_ck CHECK ((state = 'captured') = (captured_minor > 0)),
    CONSTRAINT demo_charges_refunded_ck CHECK (refunded_minor BETWEEN 0 AND captured_minor),
    CONSTRAINT demo_charges_decline_ck CHECK ((state = 'declined') = (decline_code IS NOT NULL)),
    CONSTRAINT demo_charges_waiting_ck CHECK ((decides_at IS NOT NULL) OR state != 'waiting')
);

-- What the demo gateway did: its own journal, by which it is judged.
CREATE TABLE demo_effects (
    reference text NOT NULL,
    key text NOT NULL, -- the idempotency key: the same effect is not done twice
    kind text NOT NULL,
    amount_minor bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT demo_effects_pk PRIMARY KEY (reference, key),
    CONSTRAINT demo_effects_charge_fk FOREIGN KEY (reference) REFERENCES demo_charges (reference) ON DELETE CASCADE,
    CONSTRAINT demo_effects_kind_ck CHECK (kind IN ('authorised', 'captured', 'voided', 'refunded', 'refund_failed'))
);
CREATE UNIQUE INDEX demo_effects_captured_uq ON demo_effects (reference) WHERE kind = 'captured'; -- money is taken once

-- What gateways tell by themselves, as it came: kept before it is understood, once for each id.
CREATE TABLE payment_notices (
    gateway text NOT NULL,
    notice_id text NOT NULL, -- the gateway's
    kind text NOT NULL,
    reference text NOT NULL,
    payment_id uuid, -- NULL: the gateway does not say
    said_at timestamptz NOT NULL, -- by the gateway's clock
    raw text NOT NULL, -- the gateway's word for the kind
    received_at timestamptz NOT NULL,
    body bytea NOT NULL, -- as it came; its signature is checked
    handled_at timestamptz,
    CONSTRAINT payment_notices_pk PRIMARY KEY (gateway, notice_id),
    CONSTRAINT payment_notices_kind_ck CHECK (
        kind IN ('authorised', 'action_needed', 'declined', 'captured', 'voided', 'refunded', 'refund_failed', 'other')
    )
);
CREATE INDEX payment_notices_unhandled_ix ON payment_notices (received_at, gateway, notice_id) WHERE handled_at IS NULL; -- list_unhandled
CREATE INDEX payment_notices_handled_ix ON payment_notices (handled_at) WHERE handled_at IS NOT NULL; -- forget_notices
