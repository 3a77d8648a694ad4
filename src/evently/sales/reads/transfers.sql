-- Reads tickets that are passed on.

-- name: list_stories
-- Transfers, by their ids alone, with what people read about them.
SELECT
    {transfers.transfer},
    (
        SELECT people.name FROM people
        WHERE people.person_id = transfers.giver_id AND people.erased_at IS NULL
    ) AS giver,
    (
        SELECT people.name FROM people
        WHERE people.person_id = transfers.receiver_id AND people.erased_at IS NULL
    ) AS receiver,
    tickets.ticket_type_id,
    ticket_types.name AS type_name,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label,
    tickets.state AS ticket_state,
    coalesce(tickets.holder_id, bookings.buyer_id) AS holder_id
FROM transfers
INNER JOIN tickets ON tickets.event_id = transfers.event_id AND tickets.ticket_id = transfers.ticket_id
INNER JOIN bookings ON bookings.event_id = transfers.event_id AND bookings.booking_id = transfers.booking_id
INNER JOIN ticket_types
    ON ticket_types.event_id = tickets.event_id AND ticket_types.ticket_type_id = tickets.ticket_type_id
WHERE transfers.transfer_id = ANY(:transfer_ids::uuid[]);

-- name: list_of_person
-- The transfers that a person made or accepted, and those to their address, newest first.
SELECT transfers.transfer_id
FROM transfers
WHERE
    (
        transfers.giver_id = :person_id
        OR transfers.receiver_id = :person_id
        OR (transfers.address = :address AND transfers.receiver_id IS NULL)
    )
    AND (:at::timestamptz IS NULL OR (transfers.offered_at, transfers.transfer_id) < (:at, :key::uuid))
ORDER BY transfers.offered_at DESC, transfers.transfer_id DESC
LIMIT :limit;

-- name: find_held
-- A ticket among those that a person has booked, or that were passed on to them: no index finds a ticket by
-- its id alone.
SELECT
    bookings.event_id, bookings.booking_id, bookings.buyer_id,
    coalesce(tickets.holder_id, bookings.buyer_id) AS holder_id, tickets.ticket_id, tickets.ticket_type_id,
    events.starts_at AS event_starts_at
FROM bookings
INNER JOIN tickets
    ON
        tickets.event_id = bookings.event_id
        AND tickets.booking_id = bookings.booking_id
        AND tickets.ticket_id = :ticket_id
INNER JOIN events ON events.event_id = bookings.event_id
WHERE bookings.buyer_id = :person_id
UNION
SELECT
    tickets.event_id, tickets.booking_id, bookings.buyer_id, tickets.holder_id, tickets.ticket_id,
    tickets.ticket_type_id, events.starts_at AS event_starts_at
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
INNER JOIN events ON events.event_id = tickets.event_id
WHERE tickets.holder_id = :person_id AND tickets.ticket_id = :ticket_id;

-- name: list_received
-- The tickets that were passed on to a person.
SELECT
    tickets.event_id, tickets.booking_id, bookings.buyer_id, tickets.holder_id, tickets.ticket_id,
    tickets.ticket_type_id, events.starts_at AS event_starts_at
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
INNER JOIN events ON events.event_id = tickets.event_id
WHERE tickets.holder_id = :person_id AND tickets.state != 'void'
ORDER BY events.starts_at DESC, tickets.ticket_id
LIMIT :limit;

-- name: list_received_upcoming
-- The valid tickets that were passed on to a person, of events that are not over.
SELECT
    tickets.event_id, tickets.booking_id, bookings.buyer_id, tickets.holder_id, tickets.ticket_id,
    tickets.ticket_type_id, events.starts_at AS event_starts_at
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
INNER JOIN events ON events.event_id = tickets.event_id
WHERE tickets.holder_id = :person_id AND tickets.state = 'valid' AND events.ends_at > :now
ORDER BY tickets.ticket_id
LIMIT :limit;

-- name: list_open_of_giver
-- Open transfers that a person has made.
SELECT {transfer}
FROM transfers
WHERE giver_id = :person_id AND state = 'offered'
ORDER BY offered_at
LIMIT :limit;

-- name: count_transfers
-- How many tickets a person has offered, and how many were offered to an address, since an instant; and how
-- often a ticket was offered.
SELECT
    (SELECT count(*) FROM transfers WHERE giver_id = :giver_id AND offered_at > :since::timestamptz)
        AS by_giver,
    (SELECT count(*) FROM transfers WHERE address = :address AND offered_at > :since) AS to_address,
    (SELECT count(*) FROM transfers WHERE event_id = :event_id AND ticket_id = :ticket_id) AS of_ticket;

-- name: list_tickets
-- The tickets of transfers.
SELECT event_id, ticket_id
FROM transfers
WHERE transfer_id = ANY(:transfer_ids::uuid[]);

-- name: list_of_ticket
-- The transfers of a ticket, newest first.
SELECT {transfer}
FROM transfers
WHERE event_id = :event_id AND ticket_id = :ticket_id
ORDER BY offered_at DESC, transfer_id DESC;

-- name: find_verified_address
-- The address of a person who has proved that it is theirs.
SELECT email
FROM people
WHERE person_id = :person_id AND email_verified_at IS NOT NULL;
