-- Events: what people read about them. Their sales belong to the sales domain.

-- columns: event
event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city, time_zone,
starts_at, ends_at, state, sandbox, currency, version, created_at, changed_at, published_at, cancelled_at,
attendee_names, names_hours_before, names_until, seated, series_id, cancellation_reason;

-- name: insert_event
-- Write a new draft.
INSERT INTO events (
    event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city,
    time_zone, starts_at, ends_at, state, sandbox, search, words_version, currency, price_from_minor, version,
    created_at, changed_at, attendee_names, names_hours_before, names_until, series_id
)
VALUES (
    :event_id, :organizer_id, :venue_id, :title, :description, :category, :tags, :image_url, :venue_name,
    :city, :time_zone, :starts_at, :ends_at, 'draft', :sandbox, array_to_tsvector(:lexemes::text[]),
    :words_version, :currency, NULL, 1, :now, :now, :attendee_names, :names_hours_before, :names_until,
    :series_id
);

-- name: find_events
-- Read some events by their ids.
SELECT {event}
FROM events
WHERE event_id = ANY(:event_ids::uuid[]);

-- name: find_titled
-- Some events of an organizer whose titles have all patterns: those ahead first, the soonest first, then the
-- latest. An organizer has a few thousand (events_organizer_ix).
SELECT {event}
FROM events
WHERE organizer_id = :organizer_id AND NOT sandbox AND title ILIKE ALL(:patterns::text[])
ORDER BY starts_at < :now, abs(extract(EPOCH FROM starts_at - :now)), event_id
LIMIT :limit;

-- name: lock_event
-- Read one event for an edit. The lock makes organizers take turns. It is always taken before the sale's.
SELECT {event}
FROM events
WHERE event_id = :event_id
FOR UPDATE;

-- name: update_event
-- Write what an organizer changed about an event. The row is locked.
UPDATE events
SET
    venue_id = :venue_id, title = :title, description = :description, category = :category, tags = :tags,
    image_url = :image_url, venue_name = :venue_name, city = :city, time_zone = :time_zone,
    starts_at = :starts_at, ends_at = :ends_at, search = array_to_tsvector(:lexemes::text[]),
    words_version = :words_version, attendee_names = :attendee_names,
    names_hours_before = :names_hours_before, names_until = :names_until
WHERE event_id = :event_id;

-- name: set_picture
-- Write the picture of an event: an address elsewhere, or that of one that was uploaded. The row is locked.
UPDATE events SET image_url = :image_url WHERE event_id = :event_id;

-- name: list_shown
-- Those of these addresses of uploaded pictures that an event shows (events_picture_ix).
SELECT DISTINCT image_url
FROM events
WHERE image_url LIKE '/pictures/%' AND image_url = ANY(:addresses::text[]);

-- name: publish_event
-- draft -> published. The row is locked.
UPDATE events
SET state = 'published', published_at = :now
WHERE event_id = :event_id AND state = 'draft';

-- name: cancel_event
-- published -> cancelled. The row is locked.
UPDATE events
SET state = 'cancelled', cancelled_at = :now, cancellation_reason = :reason
WHERE event_id = :event_id AND state = 'published';

-- name: join_series
-- Make an event the first date of a series. The row is locked. Lexemes contain no spaces.
UPDATE events
SET series_id = :series_id, search = array_to_tsvector(:lexemes::text[]), words_version = :words_version
WHERE event_id = :event_id AND series_id IS NULL;

-- name: list_dates
-- The dates of a series, the soonest first.
SELECT {event}
FROM events
WHERE series_id = :series_id
ORDER BY starts_at, event_id
LIMIT :limit;

-- name: note_change
-- Write a new version of an event, its lowest price and whether it has seats, after its sale was changed in
-- the same transaction.
UPDATE events
SET
    version = version + :versions, changed_at = :now, price_from_minor = :lowest_price_minor,
    seated = :seated, changed_by = NULL
WHERE event_id = :event_id;

-- name: note_editor
-- Write who made the newest version of an event, in the transaction that made it.
UPDATE events SET changed_by = :editor_id WHERE event_id = :event_id;

-- name: find_last_edit
-- Who made the newest version of an event, and when; NULL: it is not known.
SELECT changed_by, changed_at FROM events WHERE event_id = :event_id;

-- name: delete_event
-- Delete a draft with its sale: nobody can have booked. The row is locked.
DELETE FROM events WHERE event_id = :event_id AND state = 'draft';

-- name: delete_sandbox
-- Delete a sandbox event, in any state, with its sale: nobody has booked any more.
DELETE FROM events WHERE event_id = :event_id AND sandbox;

-- name: list_events_ahead
-- Some events at a venue that are not cancelled and end after an instant, in the order of their keys.
SELECT event_id
FROM events
WHERE venue_id = :venue_id AND state <> 'cancelled' AND ends_at > :after
ORDER BY event_id
LIMIT :limit;

-- name: lock_events_ahead
-- Those of these events that are still so, in the order of their keys, because their sales change with them.
-- The venue is locked: no other event moves here.
SELECT {event}
FROM events
WHERE
    event_id = ANY(:event_ids::uuid[])
    AND venue_id = :venue_id
    AND state <> 'cancelled'
    AND ends_at > :after
ORDER BY event_id
FOR UPDATE;

-- name: list_events_of_venue
-- Some events at a venue, in the order of their keys.
SELECT event_id
FROM events
WHERE venue_id = :venue_id AND event_id > :after
ORDER BY event_id
LIMIT :limit;

-- name: lock_events_of_venue
-- Those of these events that are still at the venue, in the order of their keys, to copy its new name to
-- them. An event that moves away in the meantime is left out; one that moves here waits for the lock of the
-- venue.
SELECT event_id, organizer_id, series_id, title, description, category, tags, time_zone, starts_at, ends_at
FROM events
WHERE event_id = ANY(:event_ids::uuid[]) AND venue_id = :venue_id
ORDER BY event_id
FOR UPDATE;

-- name: update_venue_copies
-- Write the copy of a venue on these events. Lexemes contain no spaces.
UPDATE events
SET
    venue_name = :venue_name, city = :city, time_zone = :time_zone, version = version + 1, changed_at = :now,
    changed_by = NULL, starts_at = new.starts_at, ends_at = new.ends_at,
    search = array_to_tsvector(string_to_array(new.lexemes, ' ')), words_version = :words_version
FROM unnest(
    :event_ids::uuid[], :starts_ats::timestamptz[], :ends_ats::timestamptz[], :lexemes::text[]
) AS new (event_id, starts_at, ends_at, lexemes)
WHERE events.event_id = new.event_id /* routed: AND events.event_id = ANY(:event_ids) */;

-- name: list_words_to_remake
-- Some events whose words have an older form (events_words_ix), after a key.
SELECT event_id
FROM events
WHERE words_version < 2 AND event_id > :after
ORDER BY event_id
LIMIT :limit;

-- name: lock_outdated_words
-- Those of these events whose words still have an older form. Events that an organizer edits at this moment
-- are skipped: the edit writes their words.
SELECT event_id, organizer_id, series_id, title, description, category, tags, venue_name, city
FROM events
WHERE event_id = ANY(:event_ids::uuid[]) AND words_version < 2
ORDER BY event_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: update_words
-- Write the words of these events. Nothing that people read changes, so the version stays. Lexemes contain no
-- spaces.
UPDATE events
SET search = array_to_tsvector(string_to_array(new.lexemes, ' ')), words_version = :words_version
FROM unnest(:event_ids::uuid[], :lexemes::text[]) AS new (event_id, lexemes)
WHERE events.event_id = new.event_id /* routed: AND events.event_id = ANY(:event_ids) */;

-- name: list_to_remind
-- Published events that have not begun, and whose reminder is due: at noon on the day before, on the clocks
-- at the venue. The index of upcoming events finds those of the next days.
SELECT upcoming.event_id, upcoming.starts_at, upcoming.remind_at
FROM (
    SELECT
        event_id,
        starts_at,
        (((starts_at AT TIME ZONE time_zone)::date - 1) + time '12:00') AT TIME ZONE time_zone AS remind_at
    FROM events
    WHERE
        state = 'published'
        AND NOT sandbox
        AND starts_at > :now::timestamptz
        AND starts_at <= :now + :ahead::interval
) AS upcoming
WHERE upcoming.remind_at <= :now AND (:since::timestamptz IS NULL OR upcoming.remind_at > :since)
ORDER BY upcoming.starts_at, upcoming.event_id;
