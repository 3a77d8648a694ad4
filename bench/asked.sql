-- What the first town has, to ask about: the same in the small database and in the large one.

-- name: list_events
-- The events of the first town, with their numbers.
SELECT split_part(events.title, ' ', 3)::integer AS number, events.event_id, events.organizer_id
FROM events
INNER JOIN organizer_members ON organizer_members.organizer_id = events.organizer_id
INNER JOIN people ON people.person_id = organizer_members.person_id
WHERE people.email = :owner;

-- name: find_booking
-- A confirmed booking in the middle of an event, with its buyer's address and a name on one of its tickets.
SELECT bookings.booking_id, bookings.buyer_id, people.email, attendee_names.name, tickets.seat_label
FROM bookings
INNER JOIN people ON people.person_id = bookings.buyer_id
INNER JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
INNER JOIN attendee_names
    ON attendee_names.event_id = tickets.event_id AND attendee_names.ticket_id = tickets.ticket_id
WHERE bookings.event_id = :event_id AND bookings.state = 'confirmed'
ORDER BY bookings.booking_id
OFFSET (SELECT count(*) / 4 FROM bookings WHERE bookings.event_id = :event_id)
LIMIT 1;

-- name: find_faithful
-- The buyer of the first town with the most bookings.
SELECT bookings.buyer_id
FROM bookings
INNER JOIN events ON events.event_id = bookings.event_id
WHERE events.organizer_id = :organizer_id
GROUP BY bookings.buyer_id
ORDER BY count(*) DESC, bookings.buyer_id
LIMIT 1;

-- name: find_sample
-- Events of many towns, chosen by their ids.
SELECT event_id FROM events WHERE published_at IS NOT NULL ORDER BY md5(event_id::text) LIMIT :count;
