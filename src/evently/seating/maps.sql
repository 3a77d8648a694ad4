-- The seat maps of venues. A version is never changed.

-- name: add_version
-- A version of a seat map.
INSERT INTO seat_maps (seat_map_id, version, venue_id, organizer_id, name, digest, layout, seats, created_at)
VALUES (:seat_map_id, :version, :venue_id, :organizer_id, :name, :digest, :layout, :seats, :created_at);

-- name: lock_latest
-- The latest version of a seat map; whoever adds the next one waits here.
SELECT seat_map_id, version, venue_id, organizer_id, name, digest, seats, created_at
FROM seat_maps
WHERE seat_map_id = :seat_map_id
ORDER BY version DESC
LIMIT 1
FOR UPDATE;

-- name: find_version
-- A version of a seat map with its layout; the latest when none is named.
SELECT seat_map_id, version, venue_id, organizer_id, name, digest, seats, created_at, layout
FROM seat_maps
WHERE seat_map_id = :seat_map_id AND (:version::integer IS NULL OR version = :version)
ORDER BY version DESC
LIMIT 1;

-- name: find_owner
-- Whose seat map it is; the same for all its versions.
SELECT organizer_id
FROM seat_maps
WHERE seat_map_id = :seat_map_id AND version = 1;

-- name: list_of_venue
-- The latest versions of the seat maps of a venue, oldest map first.
SELECT DISTINCT ON (seat_map_id) seat_map_id, version, venue_id, organizer_id, name, digest, seats, created_at
FROM seat_maps
WHERE venue_id = :venue_id AND (:after::uuid IS NULL OR seat_map_id > :after)
ORDER BY seat_map_id, version DESC
LIMIT :limit;
