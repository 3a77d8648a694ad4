-- owner: accounts

ALTER TABLE people ADD COLUMN locked_at timestamptz; -- an administrator has locked the account

-- What administrators did, and why. Rows are only added: each has the hash of the row before and its own
-- content, so that a change of a row, or a missing one, is found.
CREATE TABLE admin_acts (
    number bigint NOT NULL, -- without gaps
    admin_id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL, -- an id as people see it; empty where an act is about the platform
    reason text NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT admin_acts_pk PRIMARY KEY (number),
    CONSTRAINT admin_acts_number_ck CHECK (number >= 1),
    CONSTRAINT admin_acts_reason_ck CHECK (length(reason) BETWEEN 1 AND 500),
    CONSTRAINT admin_acts_hash_ck CHECK (length(hash) = 32)
);
-- What was done about one person, organizer or event
CREATE INDEX admin_acts_subject_ix ON admin_acts (subject, number);

-- owner: audit

-- Audits that administrators asked for.
CREATE TABLE audit_runs (
    run_id uuid NOT NULL,
    requested_by uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    state text NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    findings text NOT NULL, -- JSON; empty until it is done
    failure text NOT NULL, -- why it failed; empty when it has not
    CONSTRAINT audit_runs_pk PRIMARY KEY (run_id),
    CONSTRAINT audit_runs_state_ck CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    CONSTRAINT audit_runs_finished_ck CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running')))
);
