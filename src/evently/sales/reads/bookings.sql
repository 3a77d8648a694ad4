-- Reads bookings.

-- name: read_bookings
-- Bookings by their ids alone, with a row for each of their tickets in the order of creation, and the address
-- to which it is offered now. It is one statement, so it sees one instant and costs one round trip.
SELECT sales.currency, transfers.address AS offered_to, {bookings.booking}, {tickets.ticket}
FROM unnest(:booking_ids::uuid[]) AS named (booking_id)
INNER JOIN bookings ON bookings.booking_id = named.booking_id
INNER JOIN sales ON sales.event_id = bookings.event_id
INNER JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
LEFT JOIN transfers
    ON
        transfers.event_id = tickets.event_id
        AND transfers.ticket_id = tickets.ticket_id
        AND transfers.state = 'offered'
ORDER BY bookings.booking_id, tickets.ticket_id;

-- name: locate_booking
-- What a cancellation depends on: the event of a booking, its start, and the buyer.
SELECT bookings.event_id, bookings.buyer_id, events.starts_at
FROM bookings
INNER JOIN events ON events.event_id = bookings.event_id
WHERE bookings.booking_id = :booking_id;

-- name: list_type_names
-- The names of the ticket types of some events, retired ones included.
SELECT ticket_type_id, name
FROM ticket_types
WHERE event_id = ANY(:event_ids::uuid[]);

-- name: list_promo_texts
-- Promo codes of an event, retired ones included.
SELECT promo_id, code
FROM promo_codes
WHERE event_id = :event_id AND promo_id = ANY(:promo_ids::uuid[]);

-- name: list_of_event
-- The bookings of an event, newest first: ids are in the order of time.
SELECT bookings.event_id, bookings.booking_id, sales.currency
FROM bookings
INNER JOIN sales ON sales.event_id = bookings.event_id
WHERE
    bookings.event_id = :event_id
    AND (:after::uuid IS NULL OR bookings.booking_id < :after)
    AND (:state::text IS NULL OR bookings.state = :state)
ORDER BY bookings.booking_id DESC
LIMIT :limit;

-- name: list_of_buyer
-- A buyer's bookings of one kind, newest first. One index has all bookings of a buyer; ten thousand are
-- sorted in milliseconds.
SELECT bookings.event_id, bookings.booking_id, sales.currency
FROM bookings
INNER JOIN sales ON sales.event_id = bookings.event_id
INNER JOIN events ON events.event_id = bookings.event_id
WHERE
    bookings.buyer_id = :buyer_id
    AND (:after::uuid IS NULL OR bookings.booking_id < :after)
    AND CASE :kind::text
        WHEN 'upcoming' THEN bookings.state IN ('held', 'confirmed') AND events.ends_at > :now::timestamptz
        WHEN 'past' THEN bookings.state IN ('held', 'confirmed') AND events.ends_at <= :now
        WHEN 'cancelled' THEN bookings.state IN ('cancelled', 'expired')
        ELSE true
    END
ORDER BY bookings.booking_id DESC
LIMIT :limit;

-- name: list_held_of_buyer
-- The holds of a buyer at one event that have not expired, without offers, which have pages of their own. The
-- index of a buyer's bookings finds them.
SELECT bookings.event_id, bookings.booking_id, sales.currency
FROM bookings
INNER JOIN sales ON sales.event_id = bookings.event_id
WHERE
    bookings.buyer_id = :buyer_id
    AND bookings.event_id = :event_id
    AND bookings.state = 'held'
    AND bookings.entry_id IS NULL
    AND bookings.expires_at > :now::timestamptz
ORDER BY bookings.booking_id
LIMIT :limit;

-- name: list_upcoming_with_tickets
-- The confirmed bookings of a person with valid tickets that they hold, of events that are not over, and the
-- starts of these.
SELECT bookings.event_id, bookings.booking_id, sales.currency, events.starts_at
FROM bookings
INNER JOIN sales ON sales.event_id = bookings.event_id
INNER JOIN events ON events.event_id = bookings.event_id
WHERE
    bookings.buyer_id = :buyer_id
    AND bookings.state = 'confirmed'
    AND events.ends_at > :now
    AND EXISTS (
        SELECT 1
        FROM tickets
        WHERE
            tickets.event_id = bookings.event_id
            AND tickets.booking_id = bookings.booking_id
            AND tickets.state = 'valid'
            AND tickets.holder_id IS NULL
    )
ORDER BY bookings.booking_id
LIMIT :limit;

-- name: list_live_of_event
-- A page of the live bookings of an event, for cancelling all of them.
SELECT booking_id
FROM bookings
WHERE
    event_id = :event_id
    AND state IN ('held', 'confirmed')
    AND (:after::uuid IS NULL OR booking_id > :after)
ORDER BY booking_id
LIMIT :limit;

-- name: list_events_to_release
-- Events that have due holds, transfers or blocks of seats, or units set aside for a ticket type whose window
-- has ended: without bookings, no batch would end or release them.
SELECT event_id
FROM bookings
WHERE state = 'held' AND expires_at <= :now
UNION
SELECT event_id
FROM transfers
WHERE state = 'offered' AND expires_at <= :now
UNION
SELECT event_id
FROM seat_blocks
WHERE until <= :now
UNION
SELECT set_asides.event_id
FROM set_asides
INNER JOIN sales ON sales.event_id = set_asides.event_id
INNER JOIN ticket_types
    ON
        ticket_types.event_id = set_asides.event_id
        AND ticket_types.ticket_type_id = set_asides.ticket_type_id
WHERE set_asides.units > 0 AND least(sales.off_sale_at, ticket_types.off_sale_at) <= :now
LIMIT :limit;

-- name: list_refunds
-- The refunds of a booking, oldest first: at most one for each ticket.
SELECT {refund}
FROM refunds
WHERE event_id = :event_id AND booking_id = :booking_id
ORDER BY refund_id;

-- name: sum_outside
-- The sum of the refunds of a booking by another hand that are current.
SELECT coalesce(sum(amount_minor), 0)::bigint
FROM outside_refunds
WHERE event_id = :event_id AND booking_id = :booking_id AND reversed_at IS NULL;

-- name: list_conditions
-- Versions of the conditions of events.
SELECT sale_conditions.event_id, sale_conditions.version, sale_conditions.conditions
FROM unnest(:event_ids::uuid[], :versions::integer[]) AS named (event_id, version)
INNER JOIN sale_conditions
    ON sale_conditions.event_id = named.event_id AND sale_conditions.version = named.version
/* routed: WHERE sale_conditions.event_id = ANY(:event_ids) */;

-- name: list_cancellation_reasons
-- Why the organizer cancelled tickets of a booking: at most once for each of its tickets.
SELECT reason
FROM cancellation_reasons
WHERE event_id = :event_id AND booking_id = :booking_id
ORDER BY seq, line;

-- name: find_cancellation_reason
-- Why the organizer cancelled, by the place of the fact in the journal.
SELECT reason
FROM cancellation_reasons
WHERE event_id = :event_id AND seq = :seq AND line = :line;
