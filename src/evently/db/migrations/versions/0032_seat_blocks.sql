-- owner: sales

-- Blocked seats with a name, such as a partner's. A block without seats has no row.
CREATE TABLE seat_blocks (
    event_id uuid NOT NULL,
    block_id uuid NOT NULL,
    name text NOT NULL,
    until timestamptz, -- when its seats are unblocked; NULL: never by itself
    blocked_at timestamptz NOT NULL,
    seats integer[] NOT NULL, -- numbers in the layout, ascending: those that are still blocked
    CONSTRAINT seat_blocks_pk PRIMARY KEY (event_id, block_id),
    CONSTRAINT seat_blocks_seating_fk FOREIGN KEY (event_id) REFERENCES event_seating (event_id),
    CONSTRAINT seat_blocks_seats_ck CHECK (cardinality(seats) > 0)
);
-- Blocks that have ended
CREATE INDEX seat_blocks_until_ix ON seat_blocks (until) WHERE until IS NOT NULL;
