-- What insight reads. The events of a scope become an array first, so that whatever the scope, the roll-ups are read by their keys; of the three
-- parts of the UNION the two that were not asked for are never begun.

-- name: sum_totals
-- All that was ever counted in a scope, by currency, with what is still to be counted. Drafts have sold nothing and are left out, unless asked for.
SELECT
    sales.currency,
    count(*) AS events,
    sum(sales.seq - coalesce(event_totals.seq, 0)) AS rows_behind,
    coalesce(sum(event_totals.bookings), 0) AS bookings,
    coalesce(sum(event_totals.tickets), 0) AS tickets,
    coalesce(sum(event_totals.amount_minor), 0) AS amount_minor,
    coalesce(sum(event_totals.cancelled_bookings), 0) AS cancelled_bookings,
    coalesce(sum(event_totals.cancelled_tickets), 0) AS cancelled_tickets,
    coalesce(sum(event_totals.cancelled_minor), 0) AS cancelled_minor,
    coalesce(sum(event_totals.gross_minor), 0) AS gross_minor,
    coalesce(sum(event_totals.struck_minor), 0) AS struck_minor,
    coalesce(sum(event_totals.refunded_minor), 0) AS refunded_minor,
    coalesce(sum(event_totals.tax_minor), 0) AS tax_minor,
    coalesce(sum(event_totals.fees_minor), 0) AS fees_minor
FROM sales
LEFT JOIN event_totals ON event_totals.event_id = sales.event_id
WHERE
    sales.event_id = ANY(ARRAY(
        SELECT events.event_id FROM events WHERE events.event_id = :event_id::uuid
        UNION ALL
        SELECT events.event_id FROM events WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND (sales.state != 'closed' OR sales.event_id = :event_id)
GROUP BY sales.currency
ORDER BY sales.currency;

-- name: sum_capacity
-- The counters of the pools of a scope. A cancelled event has no places and a draft none yet, unless asked for.
SELECT
    coalesce(sum(pools.capacity), 0) AS capacity,
    coalesce(sum(pools.held), 0) AS held,
    coalesce(sum(pools.sold), 0) AS sold,
    coalesce(sum(pools.set_aside), 0) AS set_aside
FROM sales
INNER JOIN pools ON pools.event_id = sales.event_id
WHERE
    sales.event_id = ANY(ARRAY(
        SELECT events.event_id FROM events WHERE events.event_id = :event_id::uuid
        UNION ALL
        SELECT events.event_id FROM events WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND (sales.state = 'open' OR sales.event_id = :event_id);

-- name: sum_slots
-- What was counted in a scope in each of the slots that begin at :starts, the last of which ends at :ends_at; by slot (from 1) and currency.
SELECT
    width_bucket(event_quarters.quarter_at, :starts::timestamptz[]) AS slot,
    sales.currency,
    sum(event_quarters.bookings) AS bookings,
    sum(event_quarters.tickets) AS tickets,
    sum(event_quarters.amount_minor) AS amount_minor,
    sum(event_quarters.cancelled_bookings) AS cancelled_bookings,
    sum(event_quarters.cancelled_tickets) AS cancelled_tickets,
    sum(event_quarters.cancelled_minor) AS cancelled_minor,
    sum(event_quarters.gross_minor) AS gross_minor,
    sum(event_quarters.struck_minor) AS struck_minor,
    sum(event_quarters.refunded_minor) AS refunded_minor,
    sum(event_quarters.tax_minor) AS tax_minor,
    sum(event_quarters.fees_minor) AS fees_minor
FROM event_quarters
INNER JOIN sales ON sales.event_id = event_quarters.event_id
WHERE
    event_quarters.event_id = ANY(ARRAY(
        SELECT events.event_id FROM events WHERE events.event_id = :event_id::uuid
        UNION ALL
        SELECT events.event_id FROM events WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND event_quarters.quarter_at >= (:starts::timestamptz[])[1]
    AND event_quarters.quarter_at < :ends_at
GROUP BY slot, sales.currency
ORDER BY slot, sales.currency;

-- name: rank_by_totals
-- The events of a scope that have sold the most tickets and still have them sold, from what was ever counted.
WITH ranked AS (
    SELECT
        event_totals.event_id, event_totals.bookings, event_totals.tickets, event_totals.amount_minor, event_totals.cancelled_bookings,
        event_totals.cancelled_tickets, event_totals.cancelled_minor, event_totals.gross_minor, event_totals.struck_minor,
        event_totals.refunded_minor, event_totals.tax_minor, event_totals.fees_minor
    FROM event_totals
    WHERE
        event_totals.event_id = ANY(ARRAY(
            SELECT events.event_id FROM events WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
            UNION ALL
            SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
        ))
        AND event_totals.bookings > 0
        AND (
            :after_tickets::bigint IS NULL
            OR (event_totals.tickets - event_totals.cancelled_tickets, event_totals.event_id) < (:after_tickets, :after_event::uuid)
        )
    ORDER BY event_totals.tickets - event_totals.cancelled_tickets DESC, event_totals.event_id DESC
    LIMIT :limit
)

SELECT
    ranked.event_id, events.title, events.starts_at, events.state, sales.currency, ranked.bookings, ranked.tickets, ranked.amount_minor,
    ranked.cancelled_bookings, ranked.cancelled_tickets, ranked.cancelled_minor, ranked.gross_minor, ranked.struck_minor, ranked.refunded_minor,
    ranked.tax_minor, ranked.fees_minor, units.capacity, units.held, units.sold, units.set_aside
FROM ranked
INNER JOIN events ON events.event_id = ranked.event_id
INNER JOIN sales ON sales.event_id = ranked.event_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(pools.capacity), 0) AS capacity, coalesce(sum(pools.held), 0) AS held, coalesce(sum(pools.sold), 0) AS sold,
        coalesce(sum(pools.set_aside), 0) AS set_aside
    FROM pools
    WHERE pools.event_id = ranked.event_id
) AS units
ORDER BY ranked.tickets - ranked.cancelled_tickets DESC, ranked.event_id DESC;

-- name: rank_by_quarters
-- The same from what was counted in a range.
WITH summed AS (
    SELECT
        event_quarters.event_id,
        sum(event_quarters.bookings)::bigint AS bookings,
        sum(event_quarters.tickets)::bigint AS tickets,
        sum(event_quarters.amount_minor) AS amount_minor,
        sum(event_quarters.cancelled_bookings)::bigint AS cancelled_bookings,
        sum(event_quarters.cancelled_tickets)::bigint AS cancelled_tickets,
        sum(event_quarters.cancelled_minor) AS cancelled_minor,
        sum(event_quarters.gross_minor) AS gross_minor,
        sum(event_quarters.struck_minor) AS struck_minor,
        sum(event_quarters.refunded_minor) AS refunded_minor,
        sum(event_quarters.tax_minor) AS tax_minor,
        sum(event_quarters.fees_minor) AS fees_minor
    FROM event_quarters
    WHERE
        event_quarters.event_id = ANY(ARRAY(
            SELECT events.event_id FROM events WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
            UNION ALL
            SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
        ))
        AND event_quarters.quarter_at >= :from_at
        AND event_quarters.quarter_at < :to_at
    GROUP BY event_quarters.event_id
),

ranked AS (
    SELECT
        summed.event_id, summed.bookings, summed.tickets, summed.amount_minor, summed.cancelled_bookings, summed.cancelled_tickets,
        summed.cancelled_minor, summed.gross_minor, summed.struck_minor, summed.refunded_minor, summed.tax_minor, summed.fees_minor
    FROM summed
    WHERE
        :after_tickets::bigint IS NULL
        OR (summed.tickets - summed.cancelled_tickets, summed.event_id) < (:after_tickets, :after_event::uuid)
    ORDER BY summed.tickets - summed.cancelled_tickets DESC, summed.event_id DESC
    LIMIT :limit
)

SELECT
    ranked.event_id, events.title, events.starts_at, events.state, sales.currency, ranked.bookings, ranked.tickets, ranked.amount_minor,
    ranked.cancelled_bookings, ranked.cancelled_tickets, ranked.cancelled_minor, ranked.gross_minor, ranked.struck_minor, ranked.refunded_minor,
    ranked.tax_minor, ranked.fees_minor, units.capacity, units.held, units.sold, units.set_aside
FROM ranked
INNER JOIN events ON events.event_id = ranked.event_id
INNER JOIN sales ON sales.event_id = ranked.event_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(pools.capacity), 0) AS capacity, coalesce(sum(pools.held), 0) AS held, coalesce(sum(pools.sold), 0) AS sold,
        coalesce(sum(pools.set_aside), 0) AS set_aside
    FROM pools
    WHERE pools.event_id = ranked.event_id
) AS units
ORDER BY ranked.tickets - ranked.cancelled_tickets DESC, ranked.event_id DESC;
