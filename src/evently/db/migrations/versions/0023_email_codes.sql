-- owner: accounts

-- When the person proved that they read the e-mails to this address. NULL: nobody knows whose address it is.
ALTER TABLE people ADD COLUMN email_verified_at timestamptz;

-- Codes sent by e-mail. A row is deleted some minutes after it expired.
CREATE TABLE email_codes (
    code_id uuid NOT NULL,
    purpose text NOT NULL,
    email text NOT NULL,
    name text, -- of the account that is made, if there is none; NULL: asked for later
    receipt_hash bytea NOT NULL, -- sha256 of the secret of the browser that requested the code
    code_hash bytea NOT NULL, -- keyed hash: six digits could be tried out against any other
    link_hash bytea NOT NULL, -- sha256 of the secret in the link
    wrong_tries integer NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_with bytea, -- sha256 of the secret of the browser that used it, in which it can be repeated
    session_id uuid, -- that it opened
    CONSTRAINT email_codes_pk PRIMARY KEY (code_id),
    CONSTRAINT email_codes_purpose_ck CHECK (purpose IN ('sign_in', 'new_password')),
    CONSTRAINT email_codes_wrong_tries_ck CHECK (wrong_tries BETWEEN 0 AND 5),
    CONSTRAINT email_codes_used_ck CHECK ((used_at IS NULL) = (session_id IS NULL))
);
CREATE UNIQUE INDEX email_codes_receipt_hash_uq ON email_codes (receipt_hash); -- find the code of a browser
CREATE UNIQUE INDEX email_codes_link_hash_uq ON email_codes (link_hash); -- find the code of a link
CREATE INDEX email_codes_expires_ix ON email_codes (expires_at); -- delete what has expired
