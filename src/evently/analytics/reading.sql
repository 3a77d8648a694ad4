-- Reports from the sums. Each statement first makes an array of the events of its scope, so that it reads the
-- sums by their keys, whatever the scope. Of the parts of that UNION, those of other scopes are never
-- executed.

-- name: count_tickets_from
-- The tickets that were sold on the platform from a minute on.
SELECT coalesce(sum(event_minutes.tickets), 0)
FROM event_minutes
INNER JOIN events ON events.event_id = event_minutes.event_id AND NOT events.sandbox
WHERE event_minutes.minute_at >= :since;

-- name: sum_totals
-- The sums of a scope over all time, by currency, with the number of rows that are not counted yet. A draft
-- has sold nothing; it is left out unless it is the scope.
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
        SELECT events.event_id
        FROM events
        WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND (sales.state != 'closed' OR sales.event_id = :event_id)
GROUP BY sales.currency
ORDER BY sales.currency;

-- name: sum_capacity
-- The counters of the pools of a scope. The pools of drafts and of cancelled events are left out, unless the
-- event is the scope.
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
        SELECT events.event_id
        FROM events
        WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND (sales.state = 'open' OR sales.event_id = :event_id);

-- name: sum_slots
-- The sums of a scope by slot (from 1) and currency. The slots begin at :starts; the last one ends at
-- :ends_at.
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
        SELECT events.event_id
        FROM events
        WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND event_quarters.quarter_at >= (:starts::timestamptz[])[1]
    AND event_quarters.quarter_at < :ends_at
GROUP BY slot, sales.currency
ORDER BY slot, sales.currency;

-- name: rank_by_totals
-- The events of an organizer, or of the platform, with the most tickets sold and not cancelled, over all
-- time.
SELECT event_id, {sums}, {revenue}
FROM event_totals
WHERE
    event_id = ANY(ARRAY(
        SELECT events.event_id
        FROM events
        WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
        UNION ALL
        SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
    ))
    AND bookings > 0
    AND (
        :after_tickets::bigint IS NULL
        OR (tickets - cancelled_tickets, event_id) < (:after_tickets, :after_event::uuid)
    )
ORDER BY tickets - cancelled_tickets DESC, event_id DESC
LIMIT :limit;

-- name: rank_by_quarters
-- The events with the most tickets sold in a range of quarters of an hour.
SELECT event_id, {sums}, {revenue}
FROM (
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
            SELECT events.event_id
            FROM events
            WHERE events.organizer_id = :organizer_id::uuid AND NOT events.sandbox
            UNION ALL
            SELECT events.event_id FROM events WHERE :platform::boolean AND NOT events.sandbox
        ))
        AND event_quarters.quarter_at >= :from_at
        AND event_quarters.quarter_at < :to_at
    GROUP BY event_quarters.event_id
) AS summed
WHERE
    :after_tickets::bigint IS NULL
    OR (tickets - cancelled_tickets, event_id) < (:after_tickets, :after_event::uuid)
ORDER BY tickets - cancelled_tickets DESC, event_id DESC
LIMIT :limit;

-- name: describe_events
-- Titles, states and pools of ranked events.
SELECT
    events.event_id,
    events.title,
    events.starts_at,
    events.state,
    sales.currency,
    coalesce(units.capacity, 0) AS capacity,
    coalesce(units.held, 0) AS held,
    coalesce(units.sold, 0) AS sold,
    coalesce(units.set_aside, 0) AS set_aside
FROM events
INNER JOIN sales ON sales.event_id = events.event_id
LEFT JOIN (
    SELECT
        pools.event_id,
        sum(pools.capacity) AS capacity,
        sum(pools.held) AS held,
        sum(pools.sold) AS sold,
        sum(pools.set_aside) AS set_aside
    FROM pools
    WHERE pools.event_id = ANY(:event_ids::uuid[])
    GROUP BY pools.event_id
) AS units ON units.event_id = events.event_id
WHERE events.event_id = ANY(:event_ids::uuid[]);
