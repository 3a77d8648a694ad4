-- owner: catalogue

-- Buyers look for events at which they can choose seats. An older process does not write this column; the
-- next edit of the event does.
ALTER TABLE events ADD COLUMN seated boolean NOT NULL DEFAULT false;

UPDATE events
SET seated = true
FROM (
    SELECT DISTINCT event_id
    FROM ticket_types
    WHERE zone IS NOT NULL AND NOT retired AND NOT hidden
) AS with_seats
WHERE with_seats.event_id = events.event_id;

-- Browse those with seats.
CREATE INDEX events_seated_ix ON events (starts_at, event_id)
WHERE state = 'published' AND NOT sandbox AND seated;
