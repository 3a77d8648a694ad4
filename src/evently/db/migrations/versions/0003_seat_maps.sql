-- owner: seating

-- The seat maps of venues, in versions that never change. They belong to the people plane: an event stores a
-- copy.
CREATE TABLE seat_maps (
    seat_map_id uuid NOT NULL,
    version integer NOT NULL, -- from 1
    venue_id uuid NOT NULL,
    organizer_id uuid NOT NULL,
    name text NOT NULL,
    digest text NOT NULL, -- sha256 of the layout, hexadecimal
    layout bytea NOT NULL, -- the canonical JSON of the map, zlib
    seats integer NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT seat_maps_pk PRIMARY KEY (seat_map_id, version),
    CONSTRAINT seat_maps_venue_fk FOREIGN KEY (venue_id) REFERENCES venues (venue_id),
    CONSTRAINT seat_maps_version_ck CHECK (version >= 1),
    CONSTRAINT seat_maps_seats_ck CHECK (seats >= 1)
);
ALTER TABLE seat_maps ALTER COLUMN layout SET STORAGE EXTERNAL; -- it is compressed
CREATE INDEX seat_maps_venue_ix ON seat_maps (venue_id, seat_map_id, version DESC); -- the maps of a venue
