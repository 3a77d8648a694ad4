-- The figures of one event for those who watch its sale: sums and counters by their key, and no booking.

-- name: read_sale
-- The sale, its event, and what the relay has counted.
SELECT
    events.title,
    events.state AS event_state,
    events.starts_at,
    events.ends_at,
    events.time_zone,
    sales.seq,
    sales.state,
    sales.on_sale_at,
    sales.off_sale_at,
    sales.currency,
    coalesce(event_totals.seq, 0) AS counted_seq,
    coalesce(event_totals.bookings, 0) AS bookings,
    coalesce(event_totals.tickets, 0) AS tickets,
    coalesce(event_totals.amount_minor, 0) AS amount_minor,
    coalesce(event_totals.cancelled_bookings, 0) AS cancelled_bookings,
    coalesce(event_totals.cancelled_tickets, 0) AS cancelled_tickets,
    coalesce(event_totals.cancelled_minor, 0) AS cancelled_minor,
    coalesce(event_totals.gross_minor, 0) AS gross_minor,
    coalesce(event_totals.struck_minor, 0) AS struck_minor,
    coalesce(event_totals.refunded_minor, 0) AS refunded_minor,
    coalesce(event_totals.tax_minor, 0) AS tax_minor,
    coalesce(event_totals.fees_minor, 0) AS fees_minor,
    coalesce(event_conversions.holds, 0) AS holds,
    coalesce(event_conversions.confirmed, 0) AS confirmed,
    coalesce(event_conversions.expired, 0) AS expired,
    coalesce(event_conversions.cancelled, 0) AS holds_cancelled,
    coalesce(event_conversions.joined, 0) AS joined,
    coalesce(event_conversions.fulfilled, 0) AS fulfilled,
    coalesce(event_conversions.withdrawn, 0) AS withdrawn
FROM sales
INNER JOIN events ON events.event_id = sales.event_id
LEFT JOIN event_totals ON event_totals.event_id = sales.event_id
LEFT JOIN event_conversions ON event_conversions.event_id = sales.event_id
WHERE sales.event_id = :event_id;

-- name: read_pools
-- The counters of the pools.
SELECT pool_id, name, capacity, held, sold, set_aside
FROM pools
WHERE event_id = :event_id
ORDER BY name, pool_id;

-- name: read_types
-- The ticket types that are sold, with the seats that their zone has left.
SELECT
    ticket_types.ticket_type_id,
    ticket_types.name,
    ticket_types.pool_ids,
    ticket_types.zone,
    event_seating.available[array_position(event_seating.zones, ticket_types.zone)] AS seats_left,
    cardinality(ticket_types.needed_ids) > 0 AS is_add_on
FROM ticket_types
LEFT JOIN event_seating ON event_seating.event_id = ticket_types.event_id
WHERE ticket_types.event_id = :event_id AND NOT ticket_types.retired
ORDER BY ticket_types.position, ticket_types.ticket_type_id;

-- name: read_minutes
-- The tickets by minute, from one on.
SELECT minute_at, tickets
FROM event_minutes
WHERE event_id = :event_id AND minute_at >= coalesce(:since::timestamptz, '-infinity')
ORDER BY minute_at;

-- name: read_quarters
-- The tickets by quarter of an hour before the first minute that is kept.
SELECT quarter_at, tickets
FROM event_quarters
WHERE
    event_id = :event_id
    AND tickets > 0
    AND quarter_at < coalesce(
        (SELECT min(event_minutes.minute_at) FROM event_minutes WHERE event_minutes.event_id = :event_id),
        'infinity'
    )
ORDER BY quarter_at;

-- name: sum_today
-- The tickets since an instant at a quarter of an hour, without those that were cancelled since.
SELECT coalesce(sum(tickets - cancelled_tickets), 0) AS tickets
FROM event_quarters
WHERE event_id = :event_id AND quarter_at >= :since;
