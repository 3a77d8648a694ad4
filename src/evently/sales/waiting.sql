-- What people see of the waitlist. Nothing here decides anything.

-- name: find_entry
-- One waitlist entry, by its id alone.
SELECT
    event_id, entry_id, buyer_id, ticket_type_id, quantity, state, reason, joined_at, joined_seq, offered_at, booking_id, ended_at
FROM waitlist_entries
WHERE entry_id = :entry_id;

-- name: find_standing
-- Who is before a waiting entry among those who wait for its ticket type; until when an offer that it has lasts; when the sale of it ends.
SELECT
    (
        SELECT count(*)
        FROM waitlist_entries AS ahead
        WHERE
            ahead.event_id = entries.event_id
            AND ahead.state = 'waiting'
            AND ahead.ticket_type_id = entries.ticket_type_id
            AND (ahead.joined_seq, ahead.entry_id) < (entries.joined_seq, entries.entry_id)
    ) AS entries_ahead,
    (
        SELECT coalesce(sum(ahead.quantity), 0)::bigint
        FROM waitlist_entries AS ahead
        WHERE
            ahead.event_id = entries.event_id
            AND ahead.state = 'waiting'
            AND ahead.ticket_type_id = entries.ticket_type_id
            AND (ahead.joined_seq, ahead.entry_id) < (entries.joined_seq, entries.entry_id)
    ) AS units_ahead,
    (
        SELECT bookings.expires_at
        FROM bookings
        WHERE bookings.event_id = entries.event_id AND bookings.booking_id = entries.booking_id AND bookings.state = 'held'
    ) AS offer_expires_at,
    least(sales.off_sale_at, ticket_types.off_sale_at) AS off_sale_at
FROM waitlist_entries AS entries
INNER JOIN sales ON sales.event_id = entries.event_id
INNER JOIN ticket_types ON ticket_types.event_id = entries.event_id AND ticket_types.ticket_type_id = entries.ticket_type_id
WHERE entries.event_id = :event_id AND entries.entry_id = :entry_id;

-- name: measure_offers
-- How many units of a ticket type were offered to those who wait since an instant, and since when somebody waits at all.
SELECT
    coalesce(sum(quantity) FILTER (WHERE offered_at >= :since), 0)::bigint AS units,
    min(joined_at) AS first_joined_at
FROM waitlist_entries
WHERE event_id = :event_id AND ticket_type_id = :ticket_type_id;

-- name: list_live_entries_of
-- A buyer's live entries of an event, for leaving them.
SELECT
    event_id, entry_id, buyer_id, ticket_type_id, quantity, state, reason, joined_at, joined_seq, offered_at, booking_id, ended_at
FROM waitlist_entries
WHERE
    event_id = :event_id
    AND buyer_id = :buyer_id
    AND state IN ('waiting', 'offered')
    AND (:ticket_type_id::uuid IS NULL OR ticket_type_id = :ticket_type_id)
ORDER BY joined_seq, entry_id
LIMIT :limit;

-- name: list_entries_of_buyer
-- A buyer's waitlist entries, newest first: ids are in the order of time.
SELECT
    event_id, entry_id, buyer_id, ticket_type_id, quantity, state, reason, joined_at, joined_seq, offered_at, booking_id, ended_at
FROM waitlist_entries
WHERE
    buyer_id = :buyer_id
    AND (:after::uuid IS NULL OR entry_id < :after)
    AND (NOT :live::boolean OR state IN ('waiting', 'offered'))
ORDER BY entry_id DESC
LIMIT :limit;

-- name: list_line
-- The line of an event: who waits or has an offer, in the order in which they joined.
SELECT
    event_id, entry_id, buyer_id, ticket_type_id, quantity, state, reason, joined_at, joined_seq, offered_at, booking_id, ended_at
FROM waitlist_entries
WHERE
    event_id = :event_id
    AND state IN ('waiting', 'offered')
    AND (:ticket_type_id::uuid IS NULL OR ticket_type_id = :ticket_type_id)
    AND (:after_seq::bigint IS NULL OR (joined_seq, entry_id) > (:after_seq, :after_id::uuid))
ORDER BY joined_seq, entry_id
LIMIT :limit;

-- name: list_depths
-- How long the line is for each ticket type that anybody ever waited for.
SELECT
    entries.ticket_type_id,
    count(*) FILTER (WHERE entries.state = 'waiting') AS waiting_entries,
    coalesce(sum(entries.quantity) FILTER (WHERE entries.state = 'waiting'), 0)::bigint AS waiting_units,
    count(*) FILTER (WHERE entries.state = 'offered') AS offered_entries,
    coalesce(sum(entries.quantity) FILTER (WHERE entries.state = 'offered'), 0)::bigint AS offered_units,
    count(*) FILTER (WHERE entries.state = 'fulfilled') AS fulfilled_entries,
    count(*) FILTER (WHERE entries.state = 'withdrawn') AS withdrawn_entries,
    coalesce(max(set_asides.units), 0) AS set_aside_units
FROM waitlist_entries AS entries
LEFT JOIN set_asides ON set_asides.event_id = entries.event_id AND set_asides.ticket_type_id = entries.ticket_type_id
WHERE entries.event_id = :event_id
GROUP BY entries.ticket_type_id
ORDER BY entries.ticket_type_id;

-- name: list_events_to_serve
-- Events where somebody waits for a ticket type whose sale began after an instant, and where nothing has happened since; without an instant, all
-- where somebody waits for what is on sale. `extras` spares a look at the events that never had a waitlist.
SELECT DISTINCT sales.event_id
FROM sales
INNER JOIN ticket_types ON ticket_types.event_id = sales.event_id
WHERE
    sales.extras & :has_waitlist::integer != 0
    AND sales.state = 'open'
    AND (:after::uuid IS NULL OR sales.event_id > :after)
    AND greatest(sales.on_sale_at, ticket_types.on_sale_at) <= :now
    AND least(sales.off_sale_at, ticket_types.off_sale_at) > :now
    AND (
        :since::timestamptz IS NULL
        OR (
            greatest(sales.on_sale_at, ticket_types.on_sale_at) > :since
            AND greatest(sales.on_sale_at, ticket_types.on_sale_at) > sales.head_at
        )
    )
    AND EXISTS (
        SELECT 1
        FROM waitlist_entries
        WHERE
            waitlist_entries.event_id = ticket_types.event_id
            AND waitlist_entries.ticket_type_id = ticket_types.ticket_type_id
            AND waitlist_entries.state = 'waiting'
    )
ORDER BY sales.event_id
LIMIT :limit;
