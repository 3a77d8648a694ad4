-- The first schema. Three planes (docs/data-model.md):
--   people    people, sessions, organizers, members, API keys, venues: no other plane has foreign keys to it
--   event     all rows of one event, keyed by event_id first: they can be placed on one server of many
--   upkeep    leases and the installation's secret
-- The application makes ids and times: there is no sequence, trigger or volatile default.

-- People ----------------------------------------------------------------------------------------------------

-- owner: accounts

CREATE TABLE installation (
    only_row boolean NOT NULL,
    secret bytea NOT NULL, -- 32 random bytes: signs access tokens
    created_at timestamptz NOT NULL,
    CONSTRAINT installation_pk PRIMARY KEY (only_row),
    CONSTRAINT installation_only_ck CHECK (only_row)
);

CREATE TABLE people (
    person_id uuid NOT NULL,
    email text COLLATE "C", -- ASCII, lower case; NULL after the person was erased
    name text NOT NULL,
    password_hash text, -- NULL: cannot log in (erased, or created for a rehearsal)
    role text NOT NULL, -- of the platform
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    erased_at timestamptz,
    CONSTRAINT people_pk PRIMARY KEY (person_id),
    CONSTRAINT people_role_ck CHECK (role IN ('buyer', 'admin')),
    CONSTRAINT people_email_ck CHECK (email = lower(email)),
    CONSTRAINT people_erased_ck CHECK (erased_at IS NULL OR (email IS NULL AND password_hash IS NULL))
);
CREATE UNIQUE INDEX people_email_uq ON people (email); -- log in, register, search by prefix
CREATE INDEX people_name_ix ON people (lower(name) COLLATE "C"); -- search by prefix
CREATE INDEX people_admins_ix ON people (person_id) WHERE role = 'admin'; -- check that an admin remains

-- A session is one login: a family of refresh tokens, each of which is used once.
CREATE TABLE sessions (
    session_id uuid NOT NULL,
    person_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT sessions_pk PRIMARY KEY (session_id),
    CONSTRAINT sessions_person_fk FOREIGN KEY (person_id) REFERENCES people (person_id)
);
CREATE INDEX sessions_person_ix ON sessions (person_id); -- end all sessions of a person
CREATE INDEX sessions_expires_ix ON sessions (expires_at); -- delete sessions that expired long ago

-- The numbers of a session's tokens count from 1; the unique number makes two children of one token
-- impossible.
CREATE TABLE refresh_tokens (
    session_id uuid NOT NULL,
    number integer NOT NULL,
    token_hash bytea NOT NULL, -- sha256 of the token
    used_at timestamptz,
    CONSTRAINT refresh_tokens_pk PRIMARY KEY (session_id, number),
    CONSTRAINT refresh_tokens_session_fk FOREIGN KEY (session_id)
        REFERENCES sessions (session_id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_number_ck CHECK (number >= 1)
);
-- Find the token of a request.
CREATE UNIQUE INDEX refresh_tokens_token_hash_uq ON refresh_tokens (token_hash);

-- Every process must read within a second that the access tokens of this session are void.
-- A row is deleted when the last access token of its session has expired.
CREATE TABLE revocations (
    session_id uuid NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT revocations_pk PRIMARY KEY (session_id)
);
CREATE INDEX revocations_at_ix ON revocations (at); -- each process reads the new rows

-- Recent wrong passwords, by account and by origin. Both are keyed hashes: an e-mail address without an
-- account is counted like any other, and no address can be read from this table.
CREATE TABLE login_attempts (
    account_hash bytea NOT NULL,
    origin_hash bytea NOT NULL, -- empty: all origins unknown to the account, together
    tries integer NOT NULL, -- wrong passwords since `since`
    since timestamptz NOT NULL,
    -- After a login from this origin: attempts from unknown origins do not count against it.
    trusted_until timestamptz,
    CONSTRAINT login_attempts_pk PRIMARY KEY (account_hash, origin_hash)
);
CREATE INDEX login_attempts_since_ix ON login_attempts (since); -- delete old rows

CREATE TABLE organizers (
    organizer_id uuid NOT NULL,
    name text NOT NULL,
    contact_email text NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT organizers_pk PRIMARY KEY (organizer_id)
);

CREATE TABLE organizer_members (
    organizer_id uuid NOT NULL,
    person_id uuid NOT NULL,
    role text NOT NULL,
    version bigint NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT organizer_members_pk PRIMARY KEY (organizer_id, person_id),
    CONSTRAINT organizer_members_organizer_fk FOREIGN KEY (organizer_id) REFERENCES organizers (organizer_id),
    CONSTRAINT organizer_members_person_fk FOREIGN KEY (person_id) REFERENCES people (person_id),
    CONSTRAINT organizer_members_role_ck CHECK (role IN ('owner', 'manager', 'door'))
);
CREATE INDEX organizer_members_person_ix ON organizer_members (person_id); -- the organizers of a person

-- A code that only the person with this e-mail address can redeem, once.
CREATE TABLE organizer_invitations (
    invitation_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    email text COLLATE "C" NOT NULL,
    role text NOT NULL,
    code_hash bytea NOT NULL, -- sha256 of the random code
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT organizer_invitations_pk PRIMARY KEY (invitation_id),
    CONSTRAINT organizer_invitations_organizer_fk FOREIGN KEY (organizer_id)
        REFERENCES organizers (organizer_id),
    CONSTRAINT organizer_invitations_role_ck CHECK (role IN ('owner', 'manager', 'door'))
);
-- One invitation per person and organizer.
CREATE UNIQUE INDEX organizer_invitations_email_uq ON organizer_invitations (organizer_id, email);
CREATE UNIQUE INDEX organizer_invitations_code_uq ON organizer_invitations (code_hash); -- redeem a code
-- Delete the invitations of a closed account.
CREATE INDEX organizer_invitations_mine_ix ON organizer_invitations (email);
-- Delete expired invitations.
CREATE INDEX organizer_invitations_expires_ix ON organizer_invitations (expires_at);

CREATE TABLE api_keys (
    api_key_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    name text NOT NULL,
    hint text NOT NULL, -- the first characters, for people to recognise the key
    secret_hash bytea NOT NULL, -- sha256 of the random key
    scopes text[] NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_keys_pk PRIMARY KEY (api_key_id),
    CONSTRAINT api_keys_organizer_fk FOREIGN KEY (organizer_id) REFERENCES organizers (organizer_id)
);
CREATE UNIQUE INDEX api_keys_secret_hash_uq ON api_keys (secret_hash); -- find the key of a request
CREATE INDEX api_keys_organizer_ix ON api_keys (organizer_id); -- the keys of an organizer

-- owner: catalogue

CREATE TABLE venues (
    venue_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    city text NOT NULL,
    country text NOT NULL, -- ISO 3166-1 alpha-2
    time_zone text NOT NULL, -- IANA
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT venues_pk PRIMARY KEY (venue_id),
    CONSTRAINT venues_organizer_fk FOREIGN KEY (organizer_id) REFERENCES organizers (organizer_id)
);
CREATE INDEX venues_organizer_ix ON venues (organizer_id, venue_id); -- the venues of an organizer

-- One event: what people read -------------------------------------------------------------------------------

CREATE TABLE events (
    event_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    category text NOT NULL,
    tags text[] NOT NULL,
    image_url text,
    -- Copied from the venue, so that a list of events and the search read one table.
    venue_name text NOT NULL,
    city text NOT NULL,
    time_zone text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    state text NOT NULL, -- draft -> published -> cancelled
    sandbox boolean NOT NULL, -- made by a rehearsal: bookable, never listed
    -- Words of the texts and facets for filters, made by the application (catalogue/words.py).
    search tsvector NOT NULL,
    currency text NOT NULL, -- of the sale
    -- Of the cheapest public ticket type that is not retired; a price filter uses it to skip events.
    price_from_minor bigint,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL, -- time of this version
    published_at timestamptz,
    cancelled_at timestamptz,
    CONSTRAINT events_pk PRIMARY KEY (event_id),
    CONSTRAINT events_state_ck CHECK (state IN ('draft', 'published', 'cancelled')),
    -- The maximum length of an event limits how long ago an upcoming event can have started.
    CONSTRAINT events_times_ck CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '768 hours')
);
-- Browse by date.
CREATE INDEX events_upcoming_ix ON events (starts_at, event_id) WHERE state = 'published' AND NOT sandbox;
-- Browse the newest.
CREATE INDEX events_newest_ix ON events (published_at, event_id) WHERE state = 'published' AND NOT sandbox;
-- Browse the cheap.
CREATE INDEX events_price_ix ON events (currency, price_from_minor) WHERE state = 'published' AND NOT sandbox;
-- Browse by words and facets; written rarely, read often.
CREATE INDEX events_search_ix ON events USING gin (search) WITH (fastupdate = off);
CREATE INDEX events_organizer_ix ON events (organizer_id, event_id); -- the events of an organizer
CREATE INDEX events_venue_ix ON events (venue_id, event_id); -- copy a venue's new name

-- One event: its sale ---------------------------------------------------------------------------------------

-- owner: sales

-- The row that serialises one event's selling: its lock, its journal head. Columns that change have no index,
-- so that an update stays on its page (HOT).
CREATE TABLE sales (
    event_id uuid NOT NULL,
    state text NOT NULL, -- closed -> open -> cancelled
    currency text NOT NULL,
    on_sale_at timestamptz NOT NULL,
    off_sale_at timestamptz NOT NULL,
    seq bigint NOT NULL, -- of the last journal row, 0 before the first
    head_hash bytea NOT NULL, -- of the last journal row, 32 zero bytes before the first
    head_at timestamptz NOT NULL, -- of the last journal row
    CONSTRAINT sales_pk PRIMARY KEY (event_id),
    CONSTRAINT sales_event_fk FOREIGN KEY (event_id) REFERENCES events (event_id) ON DELETE CASCADE,
    CONSTRAINT sales_state_ck CHECK (state IN ('closed', 'open', 'cancelled')),
    CONSTRAINT sales_window_ck CHECK (off_sale_at > on_sale_at),
    CONSTRAINT sales_head_ck CHECK (seq >= 0 AND octet_length(head_hash) = 32)
) WITH (fillfactor = 50);

CREATE TABLE pools (
    event_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    name text NOT NULL,
    capacity integer NOT NULL,
    held integer NOT NULL,
    sold integer NOT NULL,
    set_aside integer NOT NULL,
    CONSTRAINT pools_pk PRIMARY KEY (event_id, pool_id),
    CONSTRAINT pools_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT pools_counters_ck CHECK (capacity >= 0 AND held >= 0 AND sold >= 0 AND set_aside >= 0),
    CONSTRAINT pools_oversold_ck CHECK (held + sold + set_aside <= capacity)
) WITH (fillfactor = 50);

CREATE TABLE ticket_types (
    event_id uuid NOT NULL,
    ticket_type_id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    position integer NOT NULL, -- order on the page, from 1
    price_minor bigint NOT NULL,
    on_sale_at timestamptz, -- NULL: the sale's
    off_sale_at timestamptz,
    per_booking_max integer NOT NULL,
    per_buyer_max integer, -- NULL: no limit
    pool_ids uuid[] NOT NULL, -- a unit takes one unit of each
    retired boolean NOT NULL, -- no longer sold; its tickets stay valid
    CONSTRAINT ticket_types_pk PRIMARY KEY (event_id, ticket_type_id),
    CONSTRAINT ticket_types_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT ticket_types_price_ck CHECK (price_minor >= 0),
    CONSTRAINT ticket_types_limits_ck CHECK (per_booking_max >= 1 AND per_buyer_max >= 1),
    CONSTRAINT ticket_types_pools_ck CHECK (cardinality(pool_ids) >= 1)
);

-- What lists show of a sale: the ticket types of open sales that are not retired, with the effective sale
-- window and the units available in all their pools.
CREATE VIEW open_ticket_types AS
SELECT
    ticket_types.event_id,
    ticket_types.ticket_type_id,
    ticket_types.price_minor,
    greatest(sales.on_sale_at, ticket_types.on_sale_at) AS on_sale_at,
    least(sales.off_sale_at, ticket_types.off_sale_at) AS off_sale_at,
    (
        SELECT min(pools.capacity - pools.held - pools.sold - pools.set_aside)
        FROM pools
        WHERE pools.event_id = ticket_types.event_id AND pools.pool_id = ANY(ticket_types.pool_ids)
    ) AS available
FROM ticket_types
INNER JOIN sales ON sales.event_id = ticket_types.event_id
WHERE sales.state = 'open' AND NOT ticket_types.retired;

CREATE TABLE bookings (
    event_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    buyer_id uuid NOT NULL, -- a person; the id stays when the person is erased
    state text NOT NULL, -- held -> confirmed | expired | cancelled; confirmed -> cancelled
    placed_at timestamptz NOT NULL,
    expires_at timestamptz, -- expiry of a hold
    confirmed_at timestamptz,
    ended_at timestamptz, -- expired or cancelled
    CONSTRAINT bookings_pk PRIMARY KEY (event_id, booking_id),
    CONSTRAINT bookings_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id),
    CONSTRAINT bookings_state_ck CHECK (
        CASE state
            WHEN 'held' THEN expires_at IS NOT NULL AND confirmed_at IS NULL AND ended_at IS NULL
            WHEN 'confirmed' THEN confirmed_at IS NOT NULL AND ended_at IS NULL
            WHEN 'expired' THEN expires_at IS NOT NULL AND confirmed_at IS NULL AND ended_at IS NOT NULL
            WHEN 'cancelled' THEN ended_at IS NOT NULL
            ELSE false
        END
    )
);
CREATE INDEX bookings_booking_ix ON bookings (booking_id); -- GET /v1/bookings/{id}
-- My bookings; the units that a buyer has of one event.
CREATE INDEX bookings_buyer_ix ON bookings (buyer_id, event_id, booking_id);
-- Due holds, for a batch and for the sweeper.
CREATE INDEX bookings_held_ix ON bookings (event_id, expires_at) WHERE state = 'held';

CREATE TABLE tickets (
    event_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    ticket_type_id uuid NOT NULL,
    price_minor bigint NOT NULL, -- as sold
    state text NOT NULL, -- valid -> used | void
    secret bytea NOT NULL, -- 10 random bytes: with the id, the code at the door
    CONSTRAINT tickets_pk PRIMARY KEY (event_id, ticket_id),
    CONSTRAINT tickets_booking_fk FOREIGN KEY (event_id, booking_id)
        REFERENCES bookings (event_id, booking_id),
    CONSTRAINT tickets_state_ck CHECK (state IN ('valid', 'used', 'void')),
    CONSTRAINT tickets_price_ck CHECK (price_minor >= 0),
    CONSTRAINT tickets_secret_ck CHECK (octet_length(secret) = 10)
);
CREATE INDEX tickets_booking_ix ON tickets (event_id, booking_id); -- the tickets of a booking

-- The stored answer to a request with an Idempotency-Key, written in the transaction of its effect.
CREATE TABLE idempotency_keys (
    event_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL, -- sha256 of the request's meaning
    booking_id uuid NOT NULL,
    answer bytea NOT NULL, -- the outcome, msgpack
    replays integer NOT NULL, -- counts replays: this write makes a replay as durable as the first answer
    CONSTRAINT idempotency_keys_pk PRIMARY KEY (event_id, actor_id, key),
    CONSTRAINT idempotency_keys_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id),
    CONSTRAINT idempotency_keys_key_ck CHECK (length(key) BETWEEN 1 AND 255)
);

CREATE TABLE journal (
    event_id uuid NOT NULL,
    seq bigint NOT NULL, -- from 1, gap-free: taken under the event's lock
    at timestamptz NOT NULL, -- never earlier than the previous row
    facts bytea NOT NULL, -- canonical JSON, exactly the bytes that were hashed
    hash bytea NOT NULL, -- sha256(hash of the row before || facts)
    delivered_at timestamptz, -- when the relay delivered the row
    CONSTRAINT journal_pk PRIMARY KEY (event_id, seq),
    CONSTRAINT journal_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT journal_hash_ck CHECK (octet_length(hash) = 32)
);
-- Compressing would cost the booking path more time than it saves disk.
ALTER TABLE journal ALTER COLUMN facts SET STORAGE EXTERNAL;
-- The relay's next rows.
CREATE INDEX journal_undelivered_ix ON journal (at, event_id, seq) WHERE delivered_at IS NULL;

-- One event: the relay's sums of the journal ----------------------------------------------------------------

-- owner: analytics

-- The sum of all facts up to `seq`; the row is also the relay's cursor, so a fact is counted exactly once.
CREATE TABLE event_totals (
    event_id uuid NOT NULL,
    seq bigint NOT NULL,
    bookings bigint NOT NULL, -- ever confirmed
    tickets bigint NOT NULL,
    amount_minor bigint NOT NULL,
    cancelled_bookings bigint NOT NULL, -- of those, cancelled completely
    cancelled_tickets bigint NOT NULL,
    cancelled_minor bigint NOT NULL,
    CONSTRAINT event_totals_pk PRIMARY KEY (event_id),
    CONSTRAINT event_totals_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
) WITH (fillfactor = 50);

-- The same sums by quarter of an hour: days and hours of every time zone consist of whole quarters.
CREATE TABLE event_quarters (
    event_id uuid NOT NULL,
    quarter_at timestamptz NOT NULL, -- start of the quarter
    bookings bigint NOT NULL,
    tickets bigint NOT NULL,
    amount_minor bigint NOT NULL,
    cancelled_bookings bigint NOT NULL,
    cancelled_tickets bigint NOT NULL,
    cancelled_minor bigint NOT NULL,
    CONSTRAINT event_quarters_pk PRIMARY KEY (event_id, quarter_at),
    CONSTRAINT event_quarters_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX event_quarters_at_ix ON event_quarters (quarter_at); -- the platform's figures over a time range

-- Upkeep ----------------------------------------------------------------------------------------------------

-- owner: db

-- The process that does work for which one process at a time is enough. A lease that is lost early costs work
-- done twice, never correctness.
CREATE TABLE leases (
    name text NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT leases_pk PRIMARY KEY (name)
);
