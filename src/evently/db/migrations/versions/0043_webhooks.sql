-- owner: webhooks

-- Addresses of organizers' programs that get messages about facts.
CREATE TABLE webhooks (
    webhook_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    address text NOT NULL,
    description text NOT NULL,
    kinds text[] NOT NULL, -- of facts that it gets
    personal_data boolean NOT NULL, -- whether messages name people
    version bigint NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    removed_at timestamptz, -- its deliveries are deleted after it
    paused_at timestamptz, -- nothing is sent; deliveries wait
    paused_because text, -- by_hand, failing, gone
    failures integer NOT NULL, -- attempts in a row that failed
    slow boolean NOT NULL, -- its last answer took long
    quiet_until timestamptz, -- nothing is sent before, because it fails
    served_at timestamptz, -- when a process last took it
    claimed_by uuid, -- the process that sends to it
    claimed_until timestamptz,
    CONSTRAINT webhooks_pk PRIMARY KEY (webhook_id),
    CONSTRAINT webhooks_organizer_fk FOREIGN KEY (organizer_id) REFERENCES organizers (organizer_id),
    CONSTRAINT webhooks_address_ck CHECK (length(address) BETWEEN 1 AND 1000),
    CONSTRAINT webhooks_kinds_ck CHECK (cardinality(kinds) >= 1),
    CONSTRAINT webhooks_paused_ck CHECK (
        (paused_at IS NULL) = (paused_because IS NULL)
        AND paused_because IN ('by_hand', 'failing', 'gone')
    ),
    CONSTRAINT webhooks_failures_ck CHECK (failures >= 0)
);
CREATE INDEX webhooks_organizer_ix ON webhooks (organizer_id); -- who gets the facts of an organizer's events

-- What messages are signed with: one secret, and the one before it while both are valid.
CREATE TABLE webhook_secrets (
    webhook_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz, -- of a secret that was replaced
    CONSTRAINT webhook_secrets_pk PRIMARY KEY (webhook_id, secret_id),
    CONSTRAINT webhook_secrets_webhook_fk FOREIGN KEY (webhook_id) REFERENCES webhooks (webhook_id)
    ON DELETE CASCADE,
    CONSTRAINT webhook_secrets_secret_ck CHECK (length(secret) BETWEEN 24 AND 64)
);

-- One message for one webhook: stored with the effects of the fact, sent later.
CREATE TABLE webhook_deliveries (
    delivery_id uuid NOT NULL, -- also the id of the message, however often it is sent
    webhook_id uuid NOT NULL,
    about_event_id uuid NOT NULL, -- zeros: of a test message; these tables are of an organizer
    seq bigint NOT NULL, -- the journal row of the fact
    line integer NOT NULL, -- the place of the fact in it
    kind text NOT NULL,
    body text NOT NULL, -- as it is signed and sent, but without what names people
    booking_id uuid, -- whose buyer it is about
    person_id uuid, -- whom it is about, where that is not the buyer
    state text NOT NULL, -- pending -> delivered, skipped; and back to pending when it is sent again
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL, -- of the next attempt
    attempts integer NOT NULL, -- of all time
    tries integer NOT NULL, -- since it was stored, sent again, or the webhook was resumed
    failing_since timestamptz, -- the first of these tries that failed
    finished_at timestamptz, -- when it left the state pending
    CONSTRAINT webhook_deliveries_pk PRIMARY KEY (delivery_id),
    CONSTRAINT webhook_deliveries_webhook_fk FOREIGN KEY (webhook_id) REFERENCES webhooks (webhook_id)
    ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_state_ck CHECK (
        state IN ('pending', 'delivered', 'skipped') AND (state = 'pending') = (finished_at IS NULL)
    ),
    CONSTRAINT webhook_deliveries_attempts_ck CHECK (tries BETWEEN 0 AND attempts)
);
-- One delivery for each fact and webhook
CREATE UNIQUE INDEX webhook_deliveries_fact_uq
ON webhook_deliveries (about_event_id, webhook_id, seq, line);
-- What is to be sent, in the order of each event
CREATE INDEX webhook_deliveries_pending_ix ON webhook_deliveries (webhook_id, about_event_id, seq, line)
WHERE state = 'pending';
-- The log, newest first
CREATE INDEX webhook_deliveries_log_ix ON webhook_deliveries (webhook_id, delivery_id);

-- What came back.
CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL,
    number integer NOT NULL, -- from 1
    at timestamptz NOT NULL,
    milliseconds integer NOT NULL, -- until the answer, or until it was given up
    status integer, -- of the answer; NULL: there was none
    answer text NOT NULL, -- its first 4 KB; without a status, what went wrong
    CONSTRAINT webhook_attempts_pk PRIMARY KEY (delivery_id, number),
    CONSTRAINT webhook_attempts_delivery_fk FOREIGN KEY (delivery_id)
    REFERENCES webhook_deliveries (delivery_id) ON DELETE CASCADE
);
