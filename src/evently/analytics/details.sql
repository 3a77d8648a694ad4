-- Details of one event beyond the sums. Each statement is one pass over rows that the key of the event finds.

-- name: sum_money
-- The ledger of an event by currency and account. A sale without postings has one row of zeros.
SELECT
    coalesce(ledger.currency, sales.currency) AS currency,
    coalesce(
        sum(ledger.amount_minor) FILTER (
            WHERE debit IN ('buyer', 'door') AND credit IN ('organizer', 'tax', 'fees')
        ), 0
    ) AS gross_minor,
    coalesce(
        sum(ledger.amount_minor) FILTER (
            WHERE debit IN ('organizer', 'tax', 'fees') AND credit IN ('buyer', 'door')
        ), 0
    ) AS struck_minor,
    coalesce(
        sum(ledger.amount_minor) FILTER (
            WHERE credit IN ('refunds', 'gateway') AND debit IN ('organizer', 'tax', 'fees')
        ), 0
    ) - coalesce(
        sum(ledger.amount_minor) FILTER (
            WHERE debit IN ('refunds', 'gateway') AND credit IN ('organizer', 'tax', 'fees')
        ), 0
    ) AS refunded_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE credit = 'tax'), 0)
    - coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'tax'), 0) AS tax_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE credit = 'fees'), 0)
    - coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'fees'), 0) AS fees_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE credit = 'organizer'), 0)
    - coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'organizer'), 0) AS net_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'gateway' AND credit = 'buyer'), 0)
        AS captured_minor,
    coalesce(
        sum(ledger.amount_minor) FILTER (
            WHERE
                (debit = 'refunds' AND credit IN ('gateway', 'buyer', 'door'))
                OR (debit IN ('organizer', 'tax', 'fees') AND credit = 'gateway')
        ), 0
    )
    - coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'gateway' AND credit != 'buyer'), 0)
        AS settled_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'buyer'), 0)
    - coalesce(sum(ledger.amount_minor) FILTER (WHERE credit = 'buyer'), 0) AS uncaptured_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE debit = 'door'), 0)
    - coalesce(sum(ledger.amount_minor) FILTER (WHERE credit = 'door'), 0) AS at_door_minor
FROM sales
LEFT JOIN ledger ON ledger.event_id = sales.event_id
WHERE sales.event_id = :event_id
GROUP BY coalesce(ledger.currency, sales.currency)
ORDER BY coalesce(ledger.currency, sales.currency);

-- name: sum_discounts
-- The discounts of the tickets that are sold now.
SELECT sales.currency, coalesce(sum(tickets.discount_minor), 0) AS discount_minor
FROM sales
INNER JOIN bookings ON bookings.event_id = sales.event_id AND bookings.state = 'confirmed'
INNER JOIN tickets
    ON tickets.event_id = bookings.event_id
    AND tickets.booking_id = bookings.booking_id
    AND tickets.state != 'void'
WHERE sales.event_id = :event_id
GROUP BY sales.currency;

-- name: count_holds
-- The bookings of an event by outcome: those confirmed at once, holds, and offers to the waitlist.
SELECT
    CASE
        WHEN entry_id IS NOT NULL THEN 'offers'
        WHEN expires_at IS NOT NULL THEN 'holds'
        ELSE 'at_once'
    END AS kind,
    count(*) AS placed,
    count(*) FILTER (WHERE confirmed_at IS NOT NULL) AS confirmed,
    count(*) FILTER (WHERE state = 'expired') AS expired,
    count(*) FILTER (WHERE state = 'cancelled' AND confirmed_at IS NULL) AS cancelled,
    count(*) FILTER (WHERE state = 'held') AS held
FROM bookings
WHERE event_id = :event_id
GROUP BY kind;

-- name: count_waitlist
-- The waitlist of each ticket type that ever had an entry, or has units set aside.
SELECT
    ticket_types.ticket_type_id,
    ticket_types.name,
    coalesce(entries.joined, 0) AS joined,
    coalesce(entries.waiting, 0) AS waiting,
    coalesce(entries.waiting_units, 0) AS waiting_units,
    coalesce(entries.offered, 0) AS offered,
    coalesce(entries.offered_units, 0) AS offered_units,
    coalesce(entries.ever_offered, 0) AS ever_offered,
    coalesce(entries.fulfilled, 0) AS fulfilled,
    coalesce(entries.fulfilled_units, 0) AS fulfilled_units,
    coalesce(entries.left_count, 0) AS left,
    coalesce(entries.declined, 0) AS declined,
    coalesce(entries.lapsed, 0) AS lapsed,
    coalesce(entries.cancelled, 0) AS cancelled,
    coalesce(entries.over_limit, 0) AS over_limit,
    coalesce(set_asides.units, 0) AS set_aside
FROM ticket_types
LEFT JOIN (
    SELECT
        ticket_type_id,
        count(*) AS joined,
        count(*) FILTER (WHERE state = 'waiting') AS waiting,
        sum(quantity) FILTER (WHERE state = 'waiting') AS waiting_units,
        count(*) FILTER (WHERE state = 'offered') AS offered,
        sum(quantity) FILTER (WHERE state = 'offered') AS offered_units,
        count(*) FILTER (WHERE offered_at IS NOT NULL) AS ever_offered,
        count(*) FILTER (WHERE state = 'fulfilled') AS fulfilled,
        sum(quantity) FILTER (WHERE state = 'fulfilled') AS fulfilled_units,
        count(*) FILTER (WHERE state = 'withdrawn' AND reason = 'left') AS left_count,
        count(*) FILTER (WHERE state = 'withdrawn' AND reason = 'declined') AS declined,
        count(*) FILTER (WHERE state = 'withdrawn' AND reason = 'lapsed') AS lapsed,
        count(*) FILTER (WHERE state = 'withdrawn' AND reason = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE state = 'withdrawn' AND reason = 'over_limit') AS over_limit
    FROM waitlist_entries
    WHERE event_id = :event_id
    GROUP BY ticket_type_id
) AS entries ON entries.ticket_type_id = ticket_types.ticket_type_id
LEFT JOIN set_asides
    ON set_asides.event_id = ticket_types.event_id AND set_asides.ticket_type_id = ticket_types.ticket_type_id
WHERE ticket_types.event_id = :event_id AND (entries.joined > 0 OR set_asides.units > 0)
ORDER BY ticket_types.position, ticket_types.ticket_type_id;

-- name: sum_ticket_types
-- The tickets of confirmed bookings by ticket type, and by the section of their seats: `sections` has the
-- index of the section of each seat. A ticket type that never sold has a row without a section.
SELECT
    ticket_types.ticket_type_id,
    ticket_types.name,
    tickets.section,
    coalesce(tickets.sold, 0) AS sold,
    coalesce(tickets.sold_minor, 0) AS sold_minor,
    coalesce(tickets.cancelled, 0) AS cancelled,
    coalesce(tickets.cancelled_minor, 0) AS cancelled_minor
FROM ticket_types
LEFT JOIN (
    SELECT
        tickets.ticket_type_id,
        (:sections::integer[])[tickets.seat_number + 1] AS section,
        count(*) FILTER (WHERE tickets.state != 'void') AS sold,
        sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor) FILTER (
            WHERE tickets.state != 'void'
        ) AS sold_minor,
        count(*) FILTER (WHERE tickets.state = 'void') AS cancelled,
        sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor) FILTER (
            WHERE tickets.state = 'void'
        ) AS cancelled_minor
    FROM bookings
    INNER JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
    WHERE bookings.event_id = :event_id AND bookings.confirmed_at IS NOT NULL
    GROUP BY tickets.ticket_type_id, section
) AS tickets ON tickets.ticket_type_id = ticket_types.ticket_type_id
WHERE ticket_types.event_id = :event_id
ORDER BY ticket_types.position, ticket_types.ticket_type_id, tickets.section NULLS LAST;

-- name: read_currency
-- The currency of an event.
SELECT currency FROM sales WHERE event_id = :event_id;

-- name: read_seat_prices
-- The seats that are held, sold or blocked, as parallel arrays: twenty thousand rows would cost ten times as
-- much.
SELECT
    event_seating.digest,
    event_seating.zone_of,
    array_length(event_seating.zones, 1) AS zones,
    sales.currency,
    coalesce(claimed.numbers, '{}') AS numbers,
    coalesce(claimed.states, '{}') AS states,
    coalesce(claimed.prices, '{}') AS prices
FROM event_seating
INNER JOIN sales ON sales.event_id = event_seating.event_id
CROSS JOIN LATERAL (
    SELECT
        array_agg(seat_claims.seat_number) AS numbers,
        array_agg(
            CASE
                WHEN seat_claims.ticket_id IS NULL THEN 3
                WHEN bookings.state = 'held' THEN 1
                ELSE 2
            END
        ) AS states,
        array_agg(
            CASE
                WHEN bookings.state = 'confirmed'
                    THEN tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor
            END
        ) AS prices
    FROM seat_claims
    LEFT JOIN tickets ON tickets.event_id = seat_claims.event_id AND tickets.ticket_id = seat_claims.ticket_id
    LEFT JOIN bookings
        ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
    WHERE seat_claims.event_id = event_seating.event_id
) AS claimed
WHERE event_seating.event_id = :event_id;
