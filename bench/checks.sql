-- The audit of a run, the same for every technique: acknowledged bookings compared with stored ones. Each
-- count must be 0.

-- name: count_lost
-- Acknowledged bookings that are missing, or are not confirmed with exactly so many valid tickets (I3).
SELECT count(*)
FROM unnest(:booking_ids::uuid[]) AS told (booking_id)
LEFT JOIN bookings ON bookings.booking_id = told.booking_id
WHERE
    bookings.state IS DISTINCT FROM 'confirmed'
    OR (
        SELECT count(*)
        FROM tickets
        WHERE
            tickets.event_id = bookings.event_id
            AND tickets.booking_id = bookings.booking_id
            AND tickets.state IN ('valid', 'used')
    ) != :units::integer;

-- name: count_bookings
-- The number of bookings of some events, to compare with the acknowledged ones (I4).
SELECT count(*) FROM bookings WHERE event_id = ANY(:event_ids::uuid[]);

-- name: count_wrong_pools
-- Pools that are oversold (I1), or whose counter differs from the number of their tickets (I2).
SELECT count(*)
FROM pools
LEFT JOIN (
    SELECT tickets.event_id, count(*) AS valid
    FROM tickets
    WHERE tickets.event_id = ANY(:event_ids::uuid[]) AND tickets.state IN ('valid', 'used')
    GROUP BY tickets.event_id
) AS counted ON counted.event_id = pools.event_id
WHERE
    pools.event_id = ANY(:event_ids)
    AND (
        pools.held + pools.sold + pools.set_aside > pools.capacity
        OR pools.sold != coalesce(counted.valid, 0)
    );

-- name: count_wrong_keys
-- Idempotency keys whose booking is missing, and bookings with two keys or none (I6).
SELECT count(*)
FROM bookings
FULL JOIN (
    SELECT idempotency_keys.event_id, idempotency_keys.booking_id, count(*) AS times
    FROM idempotency_keys
    WHERE idempotency_keys.event_id = ANY(:event_ids::uuid[])
    GROUP BY idempotency_keys.event_id, idempotency_keys.booking_id
) AS keys ON keys.event_id = bookings.event_id AND keys.booking_id = bookings.booking_id
WHERE
    (bookings.event_id = ANY(:event_ids) OR bookings.event_id IS NULL)
    AND (keys.times IS DISTINCT FROM 1 OR bookings.booking_id IS NULL);
