-- The names on tickets.

-- name: find_names
-- The names on tickets that their holders gave; those of earlier holders do not count.
SELECT attendee_names.ticket_id, attendee_names.name, attendee_names.version
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[], :holder_ids::uuid[])
    AS held (event_id, ticket_id, holder_id)
INNER JOIN attendee_names
    ON
        attendee_names.event_id = held.event_id
        AND attendee_names.ticket_id = held.ticket_id
        AND attendee_names.buyer_id = held.holder_id
/* routed: WHERE attendee_names.event_id = ANY(:event_ids) */;

-- name: put_names
-- Write names on tickets, in the order of their keys. The person is locked: nobody else writes these rows,
-- but an earlier holder of the ticket at the same moment, whose name does not count.
INSERT INTO attendee_names (event_id, ticket_id, buyer_id, name, version, named_at)
SELECT :event_id, given.ticket_id, :buyer_id, given.name, 1, :now
FROM unnest(:ticket_ids::uuid[], :names::text[]) AS given (ticket_id, name)
ORDER BY given.ticket_id
ON CONFLICT (event_id, ticket_id) DO UPDATE SET
    buyer_id = excluded.buyer_id,
    name = excluded.name,
    version = attendee_names.version + 1,
    named_at = excluded.named_at
RETURNING ticket_id, name, version;

-- name: clear_names
-- Forget the names on tickets that an earlier holder gave.
DELETE FROM attendee_names
USING
    unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS named (event_id, ticket_id)
    INNER JOIN tickets ON tickets.event_id = named.event_id AND tickets.ticket_id = named.ticket_id
    INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
WHERE
    attendee_names.event_id = named.event_id
    AND attendee_names.ticket_id = named.ticket_id
    AND attendee_names.buyer_id <> coalesce(tickets.holder_id, bookings.buyer_id)
    /* routed: AND attendee_names.event_id = ANY(:event_ids)
    AND tickets.event_id = ANY(:event_ids)
    AND bookings.event_id = ANY(:event_ids) */;

-- name: forget_person
-- Delete the names that a person gave (attendee_names_buyer_ix).
DELETE FROM attendee_names
WHERE buyer_id = :person_id;

-- name: list_names_of
-- The names that a person gave, for that person.
SELECT event_id, ticket_id, name, named_at
FROM attendee_names
WHERE buyer_id = :person_id
ORDER BY named_at, ticket_id
LIMIT :limit;

-- name: list_attendees
-- The tickets of confirmed bookings of an event with their names, in the order of ids, which is nearly that
-- of time: along the key of tickets. Where the organizer does not ask for names, none is shown. The ticket
-- type is no join: the planner knows how many types there are, not that an event has few; it would expect few
-- tickets, read all of the event, and sort them.
SELECT
    tickets.ticket_id,
    tickets.booking_id,
    tickets.ticket_type_id,
    (
        SELECT ticket_types.name
        FROM ticket_types
        WHERE
            ticket_types.event_id = tickets.event_id
            AND ticket_types.ticket_type_id = tickets.ticket_type_id
    ) AS type_name,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label,
    tickets.state,
    attendee_names.name,
    people.name AS buyer_name
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
LEFT JOIN attendee_names
    ON
        attendee_names.event_id = tickets.event_id
        AND attendee_names.ticket_id = tickets.ticket_id
        AND attendee_names.buyer_id = coalesce(tickets.holder_id, bookings.buyer_id)
        AND (SELECT events.attendee_names FROM events WHERE events.event_id = :event_id) <> 'not_asked'
LEFT JOIN people ON people.person_id = bookings.buyer_id AND people.erased_at IS NULL
WHERE
    tickets.event_id = :event_id
    AND (:after::uuid IS NULL OR tickets.ticket_id > :after)
    AND tickets.state <> 'void'
    AND bookings.state = 'confirmed'
    AND (:named::boolean IS NULL OR (attendee_names.name IS NOT NULL) = :named)
ORDER BY tickets.ticket_id
LIMIT :limit;
