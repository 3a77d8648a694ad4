-- Events: what people read of them. What is sold of them is the till's.

-- name: insert_event
-- A new draft.
INSERT INTO events (
    event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city, time_zone, starts_at, ends_at, state, sandbox,
    search, currency, price_from_minor, version, created_at, changed_at
)
VALUES (
    :event_id, :organizer_id, :venue_id, :title, :description, :category, :tags, :image_url, :venue_name, :city, :time_zone, :starts_at, :ends_at,
    'draft', :sandbox, array_to_tsvector(:lexemes::text[]), :currency, NULL, 1, :now, :now
);

-- name: find_events
-- Some events by their ids.
SELECT
    event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city, time_zone, starts_at, ends_at, state, sandbox,
    currency, version, created_at, changed_at, published_at, cancelled_at
FROM events
WHERE event_id = ANY(:event_ids::uuid[]);

-- name: lock_event
-- One event, to be changed: organizers take turns. Taken before the event's sale, always.
SELECT
    event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city, time_zone, starts_at, ends_at, state, sandbox,
    currency, version, created_at, changed_at, published_at, cancelled_at
FROM events
WHERE event_id = :event_id
FOR UPDATE;

-- name: update_event
-- What an event says about itself. The row is locked.
UPDATE events
SET
    venue_id = :venue_id, title = :title, description = :description, category = :category, tags = :tags, image_url = :image_url,
    venue_name = :venue_name, city = :city, time_zone = :time_zone, starts_at = :starts_at, ends_at = :ends_at,
    search = array_to_tsvector(:lexemes::text[])
WHERE event_id = :event_id;

-- name: publish_event
-- draft -> published. The row is locked.
UPDATE events
SET state = 'published', published_at = :now
WHERE event_id = :event_id AND state = 'draft';

-- name: cancel_event
-- published -> cancelled. The row is locked.
UPDATE events
SET state = 'cancelled', cancelled_at = :now
WHERE event_id = :event_id AND state = 'published';

-- name: note_change
-- Write a new version and the lowest price of the event, after its sale was changed in the same transaction.
UPDATE events
SET version = version + :versions, changed_at = :now, price_from_minor = :lowest_price_minor
WHERE event_id = :event_id;

-- name: delete_event
-- A draft, with its sale: nobody can have booked. The row is locked.
DELETE FROM events WHERE event_id = :event_id AND state = 'draft';

-- name: has_events
-- Whether anything takes place at a venue.
SELECT EXISTS (SELECT FROM events WHERE venue_id = :venue_id);

-- name: lock_events_of_venue
-- Some events at a venue, in the order of their keys, for copying the venue's new name. What moves away meanwhile is left out, what moves here
-- waits for the venue.
SELECT event_id, organizer_id, title, description, category, tags
FROM events
WHERE venue_id = :venue_id AND event_id > :after
ORDER BY event_id
LIMIT :limit
FOR UPDATE;

-- name: update_venue_copies
-- What those events show of their venue. Lexemes hold no spaces.
UPDATE events
SET
    venue_name = :venue_name, city = :city, time_zone = :time_zone, version = version + 1, changed_at = :now,
    search = array_to_tsvector(string_to_array(new.lexemes, ' '))
FROM unnest(:event_ids::uuid[], :lexemes::text[]) AS new (event_id, lexemes)
WHERE events.event_id = new.event_id;
