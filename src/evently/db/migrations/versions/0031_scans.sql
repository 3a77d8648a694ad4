-- owner: sales

-- Every attempt at a gate, accepted or refused.
CREATE TABLE scans (
    event_id uuid NOT NULL,
    scan_id uuid NOT NULL, -- made by the device: a repeated scan has the same
    ticket_id uuid, -- NULL: the code is of no ticket of the event
    direction text NOT NULL,
    result text NOT NULL, -- `accepted`, or why not
    gate text NOT NULL, -- its name; empty where the event has no gates
    scanned_by uuid NOT NULL, -- a person or an API key
    scanned_at timestamptz NOT NULL, -- by the clock of the device
    received_at timestamptz NOT NULL,
    offline boolean NOT NULL, -- the device decided before the server knew
    undone_at timestamptz, -- the check-in was a mistake
    undone_by uuid,
    undo_reason text NOT NULL,
    CONSTRAINT scans_pk PRIMARY KEY (event_id, scan_id),
    CONSTRAINT scans_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id),
    CONSTRAINT scans_ticket_fk FOREIGN KEY (event_id, ticket_id) REFERENCES tickets (event_id, ticket_id),
    CONSTRAINT scans_direction_ck CHECK (direction IN ('in', 'out')),
    CONSTRAINT scans_result_ck CHECK (
        result IN (
            'accepted', 'unknown', 'forged', 'passed_on', 'cancelled', 'unpaid', 'wrong_gate', 'too_early',
            'too_late', 'inside', 'no_reentry', 'outside'
        )
    ),
    CONSTRAINT scans_ticket_ck CHECK ((ticket_id IS NULL) = (result = 'unknown')),
    CONSTRAINT scans_undone_ck CHECK (
        undone_at IS NULL OR (result = 'accepted' AND direction = 'in' AND undone_by IS NOT NULL)
    )
);
-- The scans of an event, newest first.
CREATE INDEX scans_received_ix ON scans (event_id, received_at DESC, scan_id DESC);
-- The scans of a ticket.
CREATE INDEX scans_ticket_ix ON scans (event_id, ticket_id) WHERE ticket_id IS NOT NULL;

-- The tickets that are used: a ticket has a row as long as it is.
CREATE TABLE check_ins (
    event_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    entries integer NOT NULL, -- how often its holder came in
    inside boolean NOT NULL, -- false: its holder has left
    scan_id uuid NOT NULL, -- the last accepted scan
    checked_in_at timestamptz NOT NULL, -- for the first time
    CONSTRAINT check_ins_pk PRIMARY KEY (event_id, ticket_id),
    CONSTRAINT check_ins_ticket_fk FOREIGN KEY (event_id, ticket_id)
        REFERENCES tickets (event_id, ticket_id),
    CONSTRAINT check_ins_scan_fk FOREIGN KEY (event_id, scan_id) REFERENCES scans (event_id, scan_id),
    CONSTRAINT check_ins_entries_ck CHECK (entries > 0)
);

-- owner: checkin

-- What the organizer of an event allows at the door; no row: the defaults.
CREATE TABLE check_in_settings (
    event_id uuid NOT NULL,
    reentry boolean NOT NULL,
    opens_at timestamptz,
    closes_at timestamptz,
    gates text NOT NULL, -- JSON: name and ticket types of each
    version integer NOT NULL, -- counts the changes
    changed_at timestamptz NOT NULL,
    CONSTRAINT check_in_settings_pk PRIMARY KEY (event_id),
    CONSTRAINT check_in_settings_event_fk FOREIGN KEY (event_id) REFERENCES events (event_id),
    CONSTRAINT check_in_settings_times_ck CHECK (opens_at < closes_at),
    CONSTRAINT check_in_settings_version_ck CHECK (version >= 1)
);
