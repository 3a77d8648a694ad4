-- owner: notifications

-- One more channel; only e-mail about tickets cannot be refused.
ALTER TABLE notification_choices
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notification_choices_channel_ck,
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notification_choices_required_ck,
ADD CONSTRAINT notification_choices_channel_ck CHECK (channel IN ('email', 'push')) NOT VALID,
ADD CONSTRAINT notification_choices_required_ck
CHECK (wanted OR topic <> 'tickets' OR channel <> 'email') NOT VALID;

-- owner: push

-- Browsers that accept pushes, each of the person who turned it on last.
CREATE TABLE push_devices (
    device_id uuid NOT NULL,
    person_id uuid NOT NULL,
    session_id uuid NOT NULL, -- in which it was turned on; ending it ends its pushes
    endpoint text NOT NULL, -- the address at a push service; who knows it can write to the device
    device_key bytea NOT NULL, -- public, P-256
    auth bytea NOT NULL, -- the secret that the browser shares with us
    created_at timestamptz NOT NULL,
    failures integer NOT NULL, -- messages in a row that it did not get
    CONSTRAINT push_devices_pk PRIMARY KEY (device_id),
    CONSTRAINT push_devices_person_fk FOREIGN KEY (person_id) REFERENCES people (person_id),
    CONSTRAINT push_devices_endpoint_uq UNIQUE (endpoint),
    CONSTRAINT push_devices_endpoint_ck CHECK (
        length(endpoint) <= 1000 AND starts_with(endpoint, 'https://')
    ),
    CONSTRAINT push_devices_keys_ck CHECK (length(device_key) = 65 AND length(auth) = 16),
    CONSTRAINT push_devices_failures_ck CHECK (failures >= 0)
);
CREATE INDEX push_devices_person_ix ON push_devices (person_id); -- those that a notification goes to

-- Pushes: one for each notification and device.
CREATE TABLE push_messages (
    notification_id uuid NOT NULL,
    device_id uuid NOT NULL,
    kind text NOT NULL,
    data text NOT NULL, -- what it is about, JSON: ids alone
    urgent boolean NOT NULL, -- a person waits for it
    state text NOT NULL, -- pending -> sent, gone, failed, expired or dropped
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL, -- of the next attempt, or the end of the claim of the process that sends it
    expires_at timestamptz NOT NULL, -- it is of no use later
    attempts integer NOT NULL,
    finished_at timestamptz, -- when it left the state pending
    answer text, -- what the push service answered last, or why it was dropped
    CONSTRAINT push_messages_pk PRIMARY KEY (notification_id, device_id),
    CONSTRAINT push_messages_device_fk FOREIGN KEY (device_id) REFERENCES push_devices (device_id)
    ON DELETE CASCADE,
    CONSTRAINT push_messages_state_ck CHECK (
        state IN ('pending', 'sent', 'gone', 'failed', 'expired', 'dropped')
        AND (state = 'pending') = (finished_at IS NULL)
    ),
    CONSTRAINT push_messages_attempts_ck CHECK (attempts >= 0)
);
-- Messages to be sent
CREATE INDEX push_messages_due_ix ON push_messages (urgent DESC, due_at) WHERE state = 'pending';
CREATE INDEX push_messages_device_ix ON push_messages (device_id); -- delete those of a deleted device

-- The private key with which pushes are signed, unless the operator sets one.
CREATE TABLE push_keys (
    only_row boolean NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT push_keys_pk PRIMARY KEY (only_row),
    CONSTRAINT push_keys_only_row_ck CHECK (only_row),
    CONSTRAINT push_keys_private_key_ck CHECK (length(private_key) = 32)
);
