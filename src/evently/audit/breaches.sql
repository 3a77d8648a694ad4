-- Statements that find breaches of invariants. Each reads the snapshot of one audit, for one event or
-- (:event_id NULL) for all events, and returns at most :examples_max breaches with the total number.

-- name: read_head
-- The head of an event's journal, and how much of it was counted: as long as neither changes, nothing does
-- that is compared.
SELECT sales.seq, sales.head_hash, event_totals.seq AS counted_seq
FROM sales
LEFT JOIN event_totals ON event_totals.event_id = sales.event_id
WHERE sales.event_id = :event_id;

-- name: find_oversold_pools
-- I1: pools with a negative counter, and oversold pools.
SELECT
    pools.event_id,
    format(
        'pool %s: %s held + %s sold + %s set aside of %s', pools.pool_id, pools.held, pools.sold,
        pools.set_aside, pools.capacity
    ) AS what,
    count(*) OVER () AS total
FROM pools
WHERE
    (:event_id::uuid IS NULL OR pools.event_id = :event_id)
    AND (
        least(pools.capacity, pools.held, pools.sold, pools.set_aside) < 0
        OR pools.held::bigint + pools.sold + pools.set_aside > pools.capacity
    )
ORDER BY pools.event_id, pools.pool_id
LIMIT :examples_max;

-- name: find_miscounted_pools
-- I2: pools whose counters differ from the tickets of holds and confirmed bookings and from the set-asides.
-- Tickets are counted by ticket type first, because a ticket takes a unit from each pool of its type. A
-- ticket that replaces a returned one has no unit of its own.
WITH sold AS (
    SELECT
        bookings.event_id,
        tickets.ticket_type_id,
        count(*) FILTER (WHERE bookings.state = 'held') AS held,
        count(*) FILTER (WHERE bookings.state = 'confirmed') AS sold
    FROM bookings
    INNER JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
    WHERE
        (:event_id::uuid IS NULL OR bookings.event_id = :event_id)
        AND bookings.state IN ('held', 'confirmed')
        AND tickets.state != 'void'
        AND tickets.replaces IS NULL
    GROUP BY bookings.event_id, tickets.ticket_type_id
),

wanted AS (
    SELECT sold.event_id, sold.ticket_type_id, sold.held, sold.sold, 0 AS set_aside
    FROM sold
    UNION ALL
    SELECT set_asides.event_id, set_asides.ticket_type_id, 0, 0, set_asides.units
    FROM set_asides
    WHERE (:event_id::uuid IS NULL OR set_asides.event_id = :event_id) AND set_asides.units > 0
),

taken AS (
    SELECT
        sold.event_id, drawn.pool_id, sum(sold.held) AS held, sum(sold.sold) AS sold,
        sum(sold.set_aside) AS set_aside
    FROM wanted AS sold
    INNER JOIN ticket_types
        ON ticket_types.event_id = sold.event_id AND ticket_types.ticket_type_id = sold.ticket_type_id
    CROSS JOIN LATERAL unnest(ticket_types.pool_ids) AS drawn (pool_id)
    GROUP BY sold.event_id, drawn.pool_id
),

counted AS (
    SELECT pools.event_id, pools.pool_id, pools.held, pools.sold, pools.set_aside
    FROM pools
    WHERE :event_id::uuid IS NULL OR pools.event_id = :event_id
)

SELECT
    coalesce(counted.event_id, taken.event_id) AS event_id,
    format(
        'pool %s counts %s held, %s sold, %s set aside; the tickets are %s held, %s sold, %s set aside',
        coalesce(counted.pool_id, taken.pool_id), counted.held, counted.sold, counted.set_aside,
        coalesce(taken.held, 0), coalesce(taken.sold, 0),
        coalesce(taken.set_aside, 0)
    ) AS what,
    count(*) OVER () AS total
FROM counted
FULL JOIN taken ON taken.event_id = counted.event_id AND taken.pool_id = counted.pool_id
WHERE
    counted.held IS DISTINCT FROM coalesce(taken.held, 0)
    OR counted.sold IS DISTINCT FROM coalesce(taken.sold, 0)
    OR counted.set_aside IS DISTINCT FROM coalesce(taken.set_aside, 0)
ORDER BY 1, coalesce(counted.pool_id, taken.pool_id)
LIMIT :examples_max;

-- name: find_wrong_tickets
-- I5: tickets in two bookings or in none, tickets whose type does not exist, tickets that are still valid
-- after their booking was cancelled; and held or confirmed bookings without a ticket.
WITH breaches AS (
    SELECT
        min(tickets.event_id::text)::uuid AS event_id,
        format('ticket %s has %s owners', tickets.ticket_id, count(*)) AS what
    FROM tickets
    WHERE :event_id::uuid IS NULL OR tickets.event_id = :event_id
    GROUP BY tickets.ticket_id
    HAVING count(*) > 1
    UNION ALL
    SELECT
        tickets.event_id,
        CASE
            WHEN bookings.booking_id IS NULL THEN format('ticket %s has no booking', tickets.ticket_id)
            WHEN ticket_types.ticket_type_id IS NULL
                THEN format('ticket %s has no ticket type', tickets.ticket_id)
            ELSE format(
                'ticket %s is %s, its booking is %s', tickets.ticket_id, tickets.state, bookings.state
            )
        END AS what
    FROM tickets
    LEFT JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
    LEFT JOIN ticket_types
        ON ticket_types.event_id = tickets.event_id AND ticket_types.ticket_type_id = tickets.ticket_type_id
    WHERE
        (:event_id::uuid IS NULL OR tickets.event_id = :event_id)
        AND (
            bookings.booking_id IS NULL
            OR ticket_types.ticket_type_id IS NULL
            OR (bookings.state = 'cancelled' AND tickets.state != 'void')
            OR (bookings.state != 'confirmed' AND tickets.state = 'used')
        )
    UNION ALL
    SELECT bookings.event_id, format('booking %s has no ticket', bookings.booking_id) AS what
    FROM bookings
    WHERE
        (:event_id::uuid IS NULL OR bookings.event_id = :event_id)
        AND bookings.state IN ('held', 'confirmed')
        AND NOT EXISTS (
            SELECT 1
            FROM tickets
            WHERE
                tickets.event_id = bookings.event_id
                AND tickets.booking_id = bookings.booking_id
                AND tickets.state != 'void'
        )
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;

-- name: find_wrong_codes
-- I5: tickets whose code is void, void codes of tickets that there are not, tickets that are offered to
-- another person although they are not valid, and tickets that their buyer holds twice.
WITH breaches AS (
    SELECT
        void_codes.event_id,
        CASE
            WHEN tickets.ticket_id IS NULL
                THEN format('there is no ticket %s, which has a void code', void_codes.ticket_id)
            ELSE format('the code of ticket %s is void', void_codes.ticket_id)
        END AS what
    FROM void_codes
    LEFT JOIN tickets
        ON tickets.event_id = void_codes.event_id AND tickets.ticket_id = void_codes.ticket_id
    WHERE
        (:event_id::uuid IS NULL OR void_codes.event_id = :event_id)
        AND (tickets.ticket_id IS NULL OR tickets.secret = void_codes.secret)
    UNION ALL
    SELECT
        transfers.event_id,
        format('ticket %s is offered to another person, but not valid', transfers.ticket_id) AS what
    FROM transfers
    LEFT JOIN tickets
        ON tickets.event_id = transfers.event_id AND tickets.ticket_id = transfers.ticket_id
    WHERE
        (:event_id::uuid IS NULL OR transfers.event_id = :event_id)
        AND transfers.state = 'offered'
        AND tickets.state IS DISTINCT FROM 'valid'
    UNION ALL
    SELECT
        tickets.event_id, format('ticket %s was passed on to its buyer', tickets.ticket_id) AS what
    FROM tickets
    INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
    WHERE
        (:event_id::uuid IS NULL OR tickets.event_id = :event_id)
        AND tickets.holder_id = bookings.buyer_id
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;

-- name: find_wrong_seats
-- I5: valid tickets whose seat has no claim for them, claims for tickets that are void or have another seat,
-- seats that the seat map does not have, seats in another zone than the ticket type's, and tickets of a
-- zone without a seat, and seats of a block that are not blocked. The primary key of a claim makes two owners
-- of one seat impossible.
WITH seated AS (
    SELECT tickets.event_id, tickets.ticket_id, tickets.ticket_type_id, tickets.seat_number
    FROM tickets
    INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
    WHERE
        (:event_id::uuid IS NULL OR tickets.event_id = :event_id)
        AND tickets.seat_number IS NOT NULL
        AND tickets.state != 'void'
        AND tickets.replaces IS NULL
        AND bookings.state IN ('held', 'confirmed')
),

claims AS (
    SELECT seat_claims.event_id, seat_claims.seat_number, seat_claims.ticket_id
    FROM seat_claims
    WHERE :event_id::uuid IS NULL OR seat_claims.event_id = :event_id
),

breaches AS (
    SELECT
        seated.event_id,
        format(
            'ticket %s has seat %s, which is not claimed for it', seated.ticket_id, seated.seat_number
        ) AS what
    FROM seated
    LEFT JOIN claims
        ON claims.event_id = seated.event_id
            AND claims.seat_number = seated.seat_number
            AND claims.ticket_id = seated.ticket_id
    WHERE claims.event_id IS NULL
    UNION ALL
    SELECT
        claims.event_id,
        format(
            'seat %s is claimed for ticket %s, which has another seat', claims.seat_number, claims.ticket_id
        ) AS what
    FROM claims
    LEFT JOIN seated
        ON seated.event_id = claims.event_id
            AND seated.ticket_id = claims.ticket_id
            AND seated.seat_number = claims.seat_number
    WHERE claims.ticket_id IS NOT NULL AND seated.event_id IS NULL
    UNION ALL
    SELECT claims.event_id, format('there is no seat %s', claims.seat_number) AS what
    FROM claims
    LEFT JOIN event_seating ON event_seating.event_id = claims.event_id
    WHERE event_seating.event_id IS NULL OR claims.seat_number >= octet_length(event_seating.zone_of)
    UNION ALL
    SELECT
        seated.event_id,
        format('ticket %s has seat %s, in another zone', seated.ticket_id, seated.seat_number) AS what
    FROM seated
    INNER JOIN event_seating
        ON event_seating.event_id = seated.event_id
            AND seated.seat_number < octet_length(event_seating.zone_of)
    INNER JOIN ticket_types
        ON ticket_types.event_id = seated.event_id AND ticket_types.ticket_type_id = seated.ticket_type_id
    WHERE
        ticket_types.zone
        IS DISTINCT FROM event_seating.zones[get_byte(event_seating.zone_of, seated.seat_number) + 1]
    UNION ALL
    SELECT
        tickets.event_id,
        format('ticket %s is of zone %s and has no seat', tickets.ticket_id, ticket_types.zone) AS what
    FROM tickets
    INNER JOIN ticket_types
        ON ticket_types.event_id = tickets.event_id AND ticket_types.ticket_type_id = tickets.ticket_type_id
    WHERE
        (:event_id::uuid IS NULL OR tickets.event_id = :event_id)
        AND ticket_types.zone IS NOT NULL
        AND tickets.seat_number IS NULL
        AND tickets.state != 'void'
    UNION ALL
    SELECT
        seat_blocks.event_id,
        format('seat %s of block %s is not blocked', members.seat_number, seat_blocks.block_id) AS what
    FROM seat_blocks
    CROSS JOIN unnest(seat_blocks.seats) AS members (seat_number)
    LEFT JOIN claims
        ON claims.event_id = seat_blocks.event_id
            AND claims.seat_number = members.seat_number
            AND claims.ticket_id IS NULL
    WHERE
        (:event_id::uuid IS NULL OR seat_blocks.event_id = :event_id)
        AND claims.event_id IS NULL
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;

-- name: find_wrong_events
-- I11: sales without an event, events without a sale, and events whose state or currency differs from that
-- of their sale.
SELECT
    coalesce(sales.event_id, events.event_id) AS event_id,
    format(
        'the event is %s in %s, its sale %s in %s',
        coalesce(events.state, 'missing'), coalesce(events.currency, 'no currency'),
        coalesce(sales.state, 'missing'), coalesce(sales.currency, 'no currency')
    ) AS what,
    count(*) OVER () AS total
FROM sales
FULL JOIN events ON events.event_id = sales.event_id
WHERE
    (:event_id::uuid IS NULL OR coalesce(sales.event_id, events.event_id) = :event_id)
    AND (
        events.currency IS DISTINCT FROM sales.currency
        OR sales.state IS DISTINCT FROM CASE events.state
            WHEN 'draft' THEN 'closed'
            WHEN 'published' THEN 'open'
            ELSE events.state
        END
    )
ORDER BY 1
LIMIT :examples_max;

-- name: find_wrong_answers
-- I6: keys with two answers; answers about a missing or another booking or waitlist entry, or with other
-- tickets than the booking has. An answer holds the ids of its booking and tickets as text, and the secrets
-- of the tickets, which are not in the journal, as bytes: those of that time, which may be void by now.
WITH breaches AS (
    SELECT idempotency_keys.event_id, format('key %L has %s answers', idempotency_keys.key, count(*)) AS what
    FROM idempotency_keys
    WHERE :event_id::uuid IS NULL OR idempotency_keys.event_id = :event_id
    GROUP BY idempotency_keys.event_id, idempotency_keys.actor_id, idempotency_keys.key
    HAVING count(*) > 1
    UNION ALL
    SELECT
        idempotency_keys.event_id,
        CASE
            WHEN bookings.booking_id IS NULL
                THEN format(
                    'key %L: booking %s is missing', idempotency_keys.key, idempotency_keys.booking_id
                )
            ELSE format(
                'the answer to key %L is not about booking %s', idempotency_keys.key,
                idempotency_keys.booking_id
            )
        END AS what
    FROM idempotency_keys
    LEFT JOIN bookings
        ON bookings.event_id = idempotency_keys.event_id AND bookings.booking_id = idempotency_keys.booking_id
    WHERE
        (:event_id::uuid IS NULL OR idempotency_keys.event_id = :event_id)
        AND idempotency_keys.entry_id IS NULL
        AND (
            bookings.booking_id IS NULL
            OR position(convert_to(bookings.booking_id::text, 'UTF8') IN idempotency_keys.answer) = 0
            OR position(convert_to(bookings.event_id::text, 'UTF8') IN idempotency_keys.answer) = 0
            OR position(convert_to(bookings.buyer_id::text, 'UTF8') IN idempotency_keys.answer) = 0
        )
    UNION ALL
    SELECT
        idempotency_keys.event_id,
        format(
            'the answer to key %L is not about booking %s', idempotency_keys.key, idempotency_keys.booking_id
        ) AS what
    FROM idempotency_keys
    INNER JOIN bookings
        ON bookings.event_id = idempotency_keys.event_id AND bookings.booking_id = idempotency_keys.booking_id
    INNER JOIN tickets
        ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
    LEFT JOIN void_codes
        ON void_codes.event_id = tickets.event_id
            AND void_codes.ticket_id = tickets.ticket_id
            AND position(void_codes.secret IN idempotency_keys.answer) > 0
    WHERE
        (:event_id::uuid IS NULL OR idempotency_keys.event_id = :event_id)
        AND idempotency_keys.entry_id IS NULL
        AND position(convert_to(bookings.booking_id::text, 'UTF8') IN idempotency_keys.answer) > 0
        AND position(convert_to(bookings.event_id::text, 'UTF8') IN idempotency_keys.answer) > 0
        AND position(convert_to(bookings.buyer_id::text, 'UTF8') IN idempotency_keys.answer) > 0
        AND (
            position(convert_to(tickets.ticket_id::text, 'UTF8') IN idempotency_keys.answer) = 0
            OR (
                position(tickets.secret IN idempotency_keys.answer) = 0
                AND void_codes.ticket_id IS NULL
            )
        )
    GROUP BY
        idempotency_keys.event_id, idempotency_keys.actor_id, idempotency_keys.key,
        idempotency_keys.booking_id
    UNION ALL
    SELECT
        idempotency_keys.event_id,
        format(
            'the answer to key %L is not about waitlist entry %s', idempotency_keys.key,
            idempotency_keys.entry_id
        ) AS what
    FROM idempotency_keys
    LEFT JOIN waitlist_entries
        ON waitlist_entries.event_id = idempotency_keys.event_id
            AND waitlist_entries.entry_id = idempotency_keys.entry_id
    WHERE
        (:event_id::uuid IS NULL OR idempotency_keys.event_id = :event_id)
        AND idempotency_keys.entry_id IS NOT NULL
        AND (
            waitlist_entries.entry_id IS NULL
            OR idempotency_keys.booking_id IS NOT NULL
            OR position(convert_to(waitlist_entries.entry_id::text, 'UTF8') IN idempotency_keys.answer) = 0
            OR position(convert_to(waitlist_entries.buyer_id::text, 'UTF8') IN idempotency_keys.answer) = 0
        )
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;

-- name: find_stale_holds
-- I9: holds that still take units :grace after they expired, by the database's clock; and holds that were
-- confirmed after they had expired.
SELECT
    bookings.event_id,
    format('booking %s, %s, expired at %s', bookings.booking_id, bookings.state, bookings.expires_at) AS what,
    count(*) OVER () AS total
FROM bookings
WHERE
    (:event_id::uuid IS NULL OR bookings.event_id = :event_id)
    AND (
        (bookings.state = 'held' AND bookings.expires_at < now() - :grace::interval)
        OR bookings.confirmed_at >= bookings.expires_at
    )
ORDER BY bookings.event_id, bookings.booking_id
LIMIT :examples_max;

-- name: find_wrong_check_ins
-- I13: tickets that are used and were not checked in, or the other way round; tickets that were checked in
-- more or less often than they are counted; tickets whose last scan is another one's.
WITH breaches AS (
    SELECT
        tickets.event_id,
        format(
            'ticket %s is %s, and was checked in %s times',
            tickets.ticket_id, tickets.state, coalesce(check_ins.entries, 0)
        ) AS what
    FROM tickets
    LEFT JOIN check_ins ON check_ins.event_id = tickets.event_id AND check_ins.ticket_id = tickets.ticket_id
    WHERE
        (:event_id::uuid IS NULL OR tickets.event_id = :event_id)
        AND (tickets.state = 'used') != (check_ins.ticket_id IS NOT NULL)
    UNION ALL
    SELECT
        accepted.event_id,
        format(
            'ticket %s was checked in %s times and out %s times, and is counted as %s',
            accepted.ticket_id, accepted.ins, accepted.outs, check_ins.entries
        ) AS what
    FROM (
        SELECT
            scans.event_id,
            scans.ticket_id,
            count(*) FILTER (WHERE scans.direction = 'in') AS ins,
            count(*) FILTER (WHERE scans.direction = 'out') AS outs
        FROM scans
        WHERE
            scans.result = 'accepted'
            AND scans.undone_at IS NULL
            AND (:event_id::uuid IS NULL OR scans.event_id = :event_id)
        GROUP BY scans.event_id, scans.ticket_id
    ) AS accepted
    LEFT JOIN check_ins
        ON check_ins.event_id = accepted.event_id AND check_ins.ticket_id = accepted.ticket_id
    WHERE
        accepted.ins != coalesce(check_ins.entries, 0) OR accepted.ins - accepted.outs NOT IN (0, 1)
    UNION ALL
    SELECT
        check_ins.event_id,
        format('the last scan of ticket %s is of %s', check_ins.ticket_id, scans.ticket_id) AS what
    FROM check_ins
    LEFT JOIN scans ON scans.event_id = check_ins.event_id AND scans.scan_id = check_ins.scan_id
    WHERE
        (:event_id::uuid IS NULL OR check_ins.event_id = :event_id)
        AND (scans.ticket_id IS DISTINCT FROM check_ins.ticket_id OR scans.result != 'accepted')
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;
