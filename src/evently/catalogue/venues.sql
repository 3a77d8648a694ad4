-- Venues. Their name and city are copied onto their events, which browsing reads alone.

-- name: insert_venue
-- A new venue.
INSERT INTO venues (venue_id, organizer_id, name, address, city, country, time_zone, version, created_at)
VALUES (:venue_id, :organizer_id, :name, :address, :city, :country, :time_zone, 1, :now);

-- name: find_venue
-- One venue.
SELECT venue_id, organizer_id, name, address, city, country, time_zone, version, created_at
FROM venues
WHERE venue_id = :venue_id;

-- name: lock_venue
-- One venue, to be changed. Whoever copies from it waits, and copies what is new.
SELECT venue_id, organizer_id, name, address, city, country, time_zone, version, created_at
FROM venues
WHERE venue_id = :venue_id
FOR NO KEY UPDATE;

-- name: share_venue
-- One venue, to be copied onto an event in this transaction: until then nobody renames it.
SELECT venue_id, organizer_id, name, address, city, country, time_zone, version, created_at
FROM venues
WHERE venue_id = :venue_id
FOR SHARE;

-- name: list_venues
-- The venues of an organizer, newest first.
SELECT venue_id, organizer_id, name, address, city, country, time_zone, version, created_at
FROM venues
WHERE organizer_id = :organizer_id AND (:after::uuid IS NULL OR venue_id < :after)
ORDER BY venue_id DESC
LIMIT :limit;

-- name: update_venue
-- A venue as its organizer wants it now. The row is locked.
UPDATE venues
SET name = :name, address = :address, city = :city, country = :country, time_zone = :time_zone, version = version + 1
WHERE venue_id = :venue_id;
