-- owner: waitingroom

-- Waiting rooms before sales.
-- Stages:
--   put -> closed (the sale begins) -> drawn (at once, or when the public value is known)
--   put -> removed (the row is deleted)
CREATE TABLE waiting_rooms (
    event_id uuid NOT NULL,
    opens_at timestamptz NOT NULL,
    draws_at timestamptz NOT NULL, -- when the sale begins: the list closes
    per_minute integer NOT NULL, -- at most so many people are admitted in a minute
    public_source text NOT NULL, -- where the public value will be read; empty: there is none
    seed bytea NOT NULL, -- secret until the order is drawn
    seed_hash bytea NOT NULL,
    entries integer NOT NULL, -- so far; when the list closed, those on it are counted in `listed`
    closed_at timestamptz,
    listed integer,
    list_hash bytea,
    drawn_at timestamptz,
    public_value text, -- empty where there is none; NULL: not drawn yet
    version integer NOT NULL, -- counts the changes by its organizer
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT waiting_rooms_pk PRIMARY KEY (event_id),
    CONSTRAINT waiting_rooms_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT waiting_rooms_times_ck CHECK (opens_at < draws_at AND draws_at <= closed_at),
    CONSTRAINT waiting_rooms_per_minute_ck CHECK (per_minute BETWEEN 1 AND 60000),
    CONSTRAINT waiting_rooms_seed_ck CHECK (length(seed) = 32 AND seed_hash = sha256(seed)),
    CONSTRAINT waiting_rooms_closed_ck CHECK (
        (closed_at IS NULL) = (listed IS NULL) AND (closed_at IS NULL) = (list_hash IS NULL)
    ),
    CONSTRAINT waiting_rooms_drawn_ck CHECK (
        (drawn_at IS NULL) = (public_value IS NULL)
        AND (drawn_at IS NULL OR (closed_at IS NOT NULL AND (public_value = '') = (public_source = '')))
    ),
    CONSTRAINT waiting_rooms_entries_ck CHECK (entries >= 0 AND listed BETWEEN 0 AND entries),
    CONSTRAINT waiting_rooms_version_ck CHECK (version >= 1)
);

-- People in waiting rooms: one entry of a person at a time.
CREATE TABLE waiting_room_entries (
    event_id uuid NOT NULL,
    entry_id uuid NOT NULL, -- random: the list that everybody sees has it
    person_id uuid NOT NULL,
    entered_at timestamptz NOT NULL,
    late_number integer, -- from 1, in the order of coming after the list closed; NULL: on the list
    admitted_at timestamptz, -- when its admission was given out
    position integer, -- of an admitted entry, from 1
    ended_at timestamptz, -- its turn had passed when the person entered again
    CONSTRAINT waiting_room_entries_pk PRIMARY KEY (event_id, entry_id),
    CONSTRAINT waiting_room_entries_room_fk FOREIGN KEY (event_id)
    REFERENCES waiting_rooms (event_id) ON DELETE CASCADE,
    CONSTRAINT waiting_room_entries_late_ck CHECK (late_number >= 1),
    CONSTRAINT waiting_room_entries_admitted_ck CHECK (
        (admitted_at IS NULL) = (position IS NULL) AND position >= 1
    )
);
CREATE UNIQUE INDEX waiting_room_entries_person_uq
ON waiting_room_entries (event_id, person_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX waiting_room_entries_late_uq
ON waiting_room_entries (event_id, late_number) WHERE late_number IS NOT NULL;
CREATE UNIQUE INDEX waiting_room_entries_position_uq
ON waiting_room_entries (event_id, position) WHERE position IS NOT NULL;

-- How fast people are admitted: each pace lasts until the next one.
CREATE TABLE waiting_room_paces (
    event_id uuid NOT NULL,
    number integer NOT NULL, -- from 1
    from_at timestamptz NOT NULL,
    admitted_through integer NOT NULL, -- positions whose turn had come by then
    per_minute integer NOT NULL, -- 0: nobody
    CONSTRAINT waiting_room_paces_pk PRIMARY KEY (event_id, number),
    CONSTRAINT waiting_room_paces_room_fk FOREIGN KEY (event_id)
    REFERENCES waiting_rooms (event_id) ON DELETE CASCADE,
    CONSTRAINT waiting_room_paces_number_ck CHECK (number >= 1),
    CONSTRAINT waiting_room_paces_position_ck CHECK (admitted_through >= 0 AND per_minute >= 0)
);
