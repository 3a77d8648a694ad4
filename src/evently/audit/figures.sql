-- The figures of an event, to compare with those that are counted again from its journal.

-- name: read_quarters
-- The roll-ups of an event by quarter of an hour.
SELECT
    event_quarters.quarter_at, event_quarters.bookings, event_quarters.tickets, event_quarters.amount_minor,
    event_quarters.cancelled_bookings, event_quarters.cancelled_tickets, event_quarters.cancelled_minor
FROM event_quarters
WHERE event_quarters.event_id = :event_id;

-- name: read_minutes
-- The tickets of an event by minute, as far as they are kept.
SELECT event_minutes.minute_at, event_minutes.tickets
FROM event_minutes
WHERE event_minutes.event_id = :event_id;

-- name: read_conversions
-- What became of the holds and waitlist entries of an event.
SELECT
    event_conversions.holds, event_conversions.confirmed, event_conversions.expired,
    event_conversions.cancelled, event_conversions.joined, event_conversions.fulfilled,
    event_conversions.withdrawn
FROM event_conversions
WHERE event_conversions.event_id = :event_id;

-- name: read_sources
-- What came from each source.
SELECT
    event_sources.via, event_sources.placed, event_sources.bookings, event_sources.tickets,
    event_sources.amount_minor, event_sources.cancelled_bookings, event_sources.cancelled_tickets,
    event_sources.cancelled_minor
FROM event_sources
WHERE event_sources.event_id = :event_id;

-- name: read_booking_sources
-- The sources of bookings.
SELECT booking_sources.booking_id, booking_sources.via
FROM booking_sources
WHERE booking_sources.event_id = :event_id;
