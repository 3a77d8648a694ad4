-- The seat maps of venues. A version never changes.

-- columns: seat_map_version
seat_map_id, version, venue_id, organizer_id, name, digest, seats, created_at;

-- name: add_version
-- Add a version of a seat map.
INSERT INTO seat_maps ({seat_map_version}, layout)
VALUES (
    :seat_map_id, :version, :venue_id, :organizer_id, :name, :digest, :seats, :created_at, :layout
);

-- name: lock_latest
-- Lock the latest version of a seat map, so that only one transaction at a time adds the next one.
SELECT {seat_map_version}
FROM seat_maps
WHERE seat_map_id = :seat_map_id
ORDER BY version DESC
LIMIT 1
FOR UPDATE;

-- name: find_version
-- Return a version of a seat map with its layout; the latest when :version is null.
SELECT {seat_map_version}, layout
FROM seat_maps
WHERE seat_map_id = :seat_map_id AND (:version::integer IS NULL OR version = :version)
ORDER BY version DESC
LIMIT 1;

-- name: find_owner
-- Return the organizer of a seat map, which is the same for all its versions.
SELECT organizer_id
FROM seat_maps
WHERE seat_map_id = :seat_map_id AND version = 1;

-- name: list_digests
-- Return the digests of the newest versions of a seat map.
SELECT DISTINCT digest, version
FROM seat_maps
WHERE seat_map_id = :seat_map_id
ORDER BY version DESC
LIMIT 1000;

-- name: list_of_venue
-- Return the latest versions of the seat maps of a venue, the oldest map first.
SELECT DISTINCT ON (seat_map_id) {seat_map_version}
FROM seat_maps
WHERE venue_id = :venue_id AND (:after::uuid IS NULL OR seat_map_id > :after)
ORDER BY seat_map_id, version DESC
LIMIT :limit;
