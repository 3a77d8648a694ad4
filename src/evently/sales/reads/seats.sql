-- name: list_events_with_map
-- Events that have a copy of one of these layouts, the newest first.
SELECT event_id
FROM event_seating
WHERE digest = ANY(:digests::text[])
ORDER BY event_id DESC
LIMIT :limit;

-- name: list_held_seats
-- The seats of an event whose bookings are held, as one array. A replacement ticket has no seat of its own.
SELECT coalesce(array_agg(tickets.seat_number), '{}') AS seats
FROM bookings
INNER JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
WHERE
    bookings.event_id = :event_id
    AND bookings.state = 'held'
    AND tickets.state = 'valid'
    AND tickets.seat_number IS NOT NULL
    AND tickets.replaces IS NULL;
