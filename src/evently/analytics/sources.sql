-- Bookings by source. Only the relay writes these rows, under the lock of the totals of their event.

-- name: find_sources
-- The sources that were counted for events.
SELECT event_id, via FROM event_sources WHERE event_id = ANY(:event_ids::uuid[]);

-- name: add_booking_sources
-- Remember from which source bookings came, for when they are confirmed or cancelled.
INSERT INTO booking_sources (event_id, booking_id, via)
SELECT new.event_id, new.booking_id, new.via
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[], :vias::text[]) AS new (event_id, booking_id, via);

-- name: find_booking_sources
-- From which source bookings came, of those that have one.
SELECT booking_sources.event_id, booking_sources.booking_id, booking_sources.via
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS named (event_id, booking_id)
INNER JOIN booking_sources
    ON booking_sources.event_id = named.event_id AND booking_sources.booking_id = named.booking_id
/* routed: WHERE booking_sources.event_id = ANY(:event_ids) */;

-- name: add_sources
-- Add to the sums of sources.
INSERT INTO event_sources (
    event_id, via, placed, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets,
    cancelled_minor
)
SELECT
    new.event_id, new.via, new.placed, new.bookings, new.tickets, new.amount_minor, new.cancelled_bookings,
    new.cancelled_tickets, new.cancelled_minor
FROM unnest(
    :event_ids::uuid[], :vias::text[], :placed::bigint[], :bookings::bigint[], :tickets::bigint[],
    :amount_minor::bigint[], :cancelled_bookings::bigint[], :cancelled_tickets::bigint[],
    :cancelled_minor::bigint[]
) AS new (
    event_id, via, placed, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets,
    cancelled_minor
)
ON CONFLICT (event_id, via) DO UPDATE
SET
    placed = event_sources.placed + excluded.placed,
    bookings = event_sources.bookings + excluded.bookings,
    tickets = event_sources.tickets + excluded.tickets,
    amount_minor = event_sources.amount_minor + excluded.amount_minor,
    cancelled_bookings = event_sources.cancelled_bookings + excluded.cancelled_bookings,
    cancelled_tickets = event_sources.cancelled_tickets + excluded.cancelled_tickets,
    cancelled_minor = event_sources.cancelled_minor + excluded.cancelled_minor;

-- name: list_sources
-- The sources of an event: at most a hundred, and the others together.
SELECT
    via, placed, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor
FROM event_sources
WHERE event_id = :event_id
ORDER BY tickets - cancelled_tickets DESC, placed DESC, via;
