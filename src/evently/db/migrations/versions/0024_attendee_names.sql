-- owner: catalogue

-- Whether an organizer asks for names on tickets, and until when buyers can change them.
ALTER TABLE events
ADD COLUMN attendee_names text NOT NULL DEFAULT 'optional',
ADD COLUMN names_hours_before integer NOT NULL DEFAULT 0, -- before the start
ADD COLUMN names_until timestamptz, -- instead of the hours
ADD CONSTRAINT events_attendee_names_ck
CHECK (attendee_names IN ('not_asked', 'optional', 'required')) NOT VALID,
ADD CONSTRAINT events_names_hours_before_ck CHECK (names_hours_before BETWEEN 0 AND 8784) NOT VALID;
ALTER TABLE events VALIDATE CONSTRAINT events_attendee_names_ck;
ALTER TABLE events VALIDATE CONSTRAINT events_names_hours_before_ck;

-- owner: attendees

-- The names on tickets. Personal data: nothing of it is in the journal, and it is deleted with the account of
-- who gave it. There is no foreign key to `tickets`: it would lock their rows, on which the engine works.
CREATE TABLE attendee_names (
    event_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    buyer_id uuid NOT NULL, -- who gave the name; it counts while the ticket is theirs
    name text, -- NULL: taken back
    version integer NOT NULL, -- counts the changes
    named_at timestamptz NOT NULL, -- of the latest change
    CONSTRAINT attendee_names_pk PRIMARY KEY (event_id, ticket_id),
    CONSTRAINT attendee_names_name_ck CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT attendee_names_version_ck CHECK (version >= 1)
);
CREATE INDEX attendee_names_buyer_ix ON attendee_names (buyer_id); -- export and erase the names of a person
