-- owner: accounts

-- A key of a device works for one event; NULL: for every event of the organizer.
ALTER TABLE api_keys ADD COLUMN only_event_id uuid;

-- owner: checkin

-- A device that may scan for one event.
CREATE TABLE scanners (
    scanner_id uuid NOT NULL,
    event_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    name text NOT NULL,
    gate text NOT NULL, -- where it stands; empty: it chooses
    code_hash bytea NOT NULL, -- sha256 of the code that enrols it
    expires_at timestamptz NOT NULL, -- of that code
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    enrolled_at timestamptz,
    api_key_id uuid, -- the key of the device
    revoked_at timestamptz,
    CONSTRAINT scanners_pk PRIMARY KEY (event_id, scanner_id),
    CONSTRAINT scanners_event_fk FOREIGN KEY (event_id) REFERENCES events (event_id),
    CONSTRAINT scanners_enrolled_ck CHECK ((enrolled_at IS NULL) = (api_key_id IS NULL))
);
CREATE UNIQUE INDEX scanners_code_hash_uq ON scanners (code_hash); -- enrol by a code
-- The scanner of a key.
CREATE UNIQUE INDEX scanners_key_uq ON scanners (api_key_id) WHERE api_key_id IS NOT NULL;

-- Names are on the list that devices keep.
ALTER TABLE check_in_settings ADD COLUMN names_offline boolean NOT NULL DEFAULT FALSE;
