-- owner: accounts

-- The public halves of passkeys; the private ones stay on the devices of the person.
CREATE TABLE passkeys (
    passkey_id uuid NOT NULL,
    person_id uuid NOT NULL,
    credential_id bytea NOT NULL, -- what the device calls it
    public_key bytea NOT NULL, -- COSE
    sign_count bigint NOT NULL, -- of the latest use; 0 of keys that count nothing
    name text NOT NULL,
    transports text[] NOT NULL, -- how browsers reach the device
    synced boolean NOT NULL, -- a provider copies it to other devices of the person
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    copied_at timestamptz, -- since when a use showed that a copy of the key exists; it logs nobody in
    CONSTRAINT passkeys_pk PRIMARY KEY (passkey_id),
    CONSTRAINT passkeys_person_fk FOREIGN KEY (person_id) REFERENCES people (person_id),
    CONSTRAINT passkeys_credential_ck CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    CONSTRAINT passkeys_public_key_ck CHECK (octet_length(public_key) <= 2048),
    CONSTRAINT passkeys_sign_count_ck CHECK (sign_count >= 0)
);
CREATE UNIQUE INDEX passkeys_credential_uq ON passkeys (credential_id); -- find the passkey of a log-in
CREATE INDEX passkeys_person_ix ON passkeys (person_id); -- list those of a person

-- Challenges that were used with success, until their end: none works twice. Challenges that were not used
-- are stored nowhere: they carry their end, and are signed.
CREATE TABLE used_challenges (
    challenge_hash bytea NOT NULL, -- sha256
    expires_at timestamptz NOT NULL,
    CONSTRAINT used_challenges_pk PRIMARY KEY (challenge_hash)
);
CREATE INDEX used_challenges_expires_ix ON used_challenges (expires_at); -- delete what has expired

-- A code may also prove a new address. Then it belongs to the person who changes to it.
ALTER TABLE email_codes ADD COLUMN person_id uuid;
ALTER TABLE email_codes
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT email_codes_purpose_ck,
ADD CONSTRAINT email_codes_purpose_ck CHECK (
    purpose IN ('sign_in', 'new_password', 'new_email')
) NOT VALID,
ADD CONSTRAINT email_codes_person_ck CHECK (
    (purpose = 'new_email') = (person_id IS NOT NULL)
) NOT VALID;
