-- Reads what is written on tickets.

-- name: find_booking_in_event
-- The booking of a ticket of an event.
SELECT booking_id
FROM tickets
WHERE event_id = :event_id AND ticket_id = :ticket_id;

-- name: list_type_names
-- The names of the ticket types of an event.
SELECT ticket_type_id, name
FROM ticket_types
WHERE event_id = :event_id AND ticket_type_id = ANY(:ticket_type_ids::uuid[])
LIMIT :limit;

-- name: find_names
-- The names of an organizer and of a buyer; no name of a person whose account was closed.
SELECT
    organizers.name AS organizer_name,
    (
        SELECT people.name
        FROM people
        WHERE people.person_id = :buyer_id AND people.erased_at IS NULL
    ) AS buyer_name
FROM organizers
WHERE organizers.organizer_id = :organizer_id;
