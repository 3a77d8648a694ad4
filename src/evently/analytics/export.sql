-- The bookings of an event, for a table that people download.

-- name: export_bookings
-- Every booking of an event in the order of ids, which is the order of time, with its present tickets and
-- their price. The tickets are read booking by booking, so that the first row comes at once and nothing is
-- sorted, whatever the size.
SELECT
    bookings.booking_id,
    bookings.state,
    people.name AS buyer_name,
    people.email AS buyer_email,
    people.erased_at IS NOT NULL OR people.person_id IS NULL AS erased,
    worth.tickets,
    worth.amount_minor,
    sales.currency,
    bookings.paid_minor,
    bookings.refunded_minor + bookings.outside_minor AS refunded_minor,
    bookings.placed_at,
    bookings.confirmed_at,
    bookings.ended_at,
    worth.fee_minor,
    worth.tax_minor,
    worth.fee_tax_minor
FROM bookings
INNER JOIN sales ON sales.event_id = bookings.event_id
LEFT JOIN people ON people.person_id = bookings.buyer_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS tickets,
        coalesce(
            sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor), 0
        )::bigint AS amount_minor,
        coalesce(sum(tickets.fee_minor), 0)::bigint AS fee_minor,
        coalesce(sum(tickets.tax_minor + tickets.fee_tax_minor), 0)::bigint AS tax_minor,
        coalesce(sum(tickets.fee_tax_minor), 0)::bigint AS fee_tax_minor
    FROM tickets
    WHERE
        tickets.event_id = bookings.event_id
        AND tickets.booking_id = bookings.booking_id
        AND tickets.state != 'void'
        AND bookings.state IN ('held', 'confirmed')
) AS worth
WHERE bookings.event_id = :event_id
ORDER BY bookings.booking_id;
