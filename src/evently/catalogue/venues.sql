-- Venues. Their name and city are copied to their events, so that browsing reads one table.

-- columns: venue
venue_id, organizer_id, name, address, city, country, time_zone, version, created_at;

-- name: insert_venue
-- Write a new venue.
INSERT INTO venues ({venue})
VALUES (:venue_id, :organizer_id, :name, :address, :city, :country, :time_zone, 1, :now);

-- name: find_venue
-- Read one venue.
SELECT {venue}
FROM venues
WHERE venue_id = :venue_id;

-- name: lock_venue
-- Read one venue for an edit. Who copies it to an event waits for the lock, and copies the new values.
SELECT {venue}
FROM venues
WHERE venue_id = :venue_id
FOR NO KEY UPDATE;

-- name: share_venue
-- Read one venue, to copy it to an event in this transaction: nobody renames it before the commit.
SELECT {venue}
FROM venues
WHERE venue_id = :venue_id
FOR SHARE;

-- name: list_venues
-- A page of the venues of an organizer, newest first.
SELECT {venue}
FROM venues
WHERE organizer_id = :organizer_id AND (:after::uuid IS NULL OR venue_id < :after)
ORDER BY venue_id DESC
LIMIT :limit;

-- name: update_venue
-- Write what an organizer changed about a venue. The row is locked.
UPDATE venues
SET
    name = :name, address = :address, city = :city, country = :country, time_zone = :time_zone,
    version = version + 1, changed_at = :now, changed_by = :editor_id
WHERE venue_id = :venue_id;

-- name: find_last_edit
-- Who changed a venue last, and when; NULL: nobody has, or it is not known.
SELECT changed_by, changed_at FROM venues WHERE venue_id = :venue_id;
