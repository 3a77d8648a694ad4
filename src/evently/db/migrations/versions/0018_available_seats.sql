-- Seats that are neither taken nor blocked, in the order of `zones`: lists show whether there are any. NULL:
-- not counted yet. An older version does not count; the next batch that changes a seat does.
ALTER TABLE event_seating
ADD COLUMN available integer[],
ADD CONSTRAINT event_seating_available_ck CHECK (0 <= ALL(available)) NOT VALID;

-- A seat of a seating in memory is read without unpacking all others.
WITH seatings AS MATERIALIZED (
    SELECT event_seating.event_id, event_seating.zones, event_seating.zone_of || ''::bytea AS zone_of
    FROM event_seating
),

seats AS (
    SELECT seatings.event_id, get_byte(seatings.zone_of, numbers.number) AS zone, count(*) AS available
    FROM seatings
    CROSS JOIN LATERAL generate_series(0, octet_length(seatings.zone_of) - 1) AS numbers (number)
    LEFT JOIN seat_claims
        ON seat_claims.event_id = seatings.event_id AND seat_claims.seat_number = numbers.number
    WHERE seat_claims.seat_number IS NULL
    GROUP BY seatings.event_id, get_byte(seatings.zone_of, numbers.number)
),

counted AS (
    SELECT
        seatings.event_id,
        array_agg(coalesce(seats.available, 0)::integer ORDER BY zones.place) AS available
    FROM seatings
    CROSS JOIN LATERAL generate_subscripts(seatings.zones, 1) AS zones (place)
    LEFT JOIN seats ON seats.event_id = seatings.event_id AND seats.zone = zones.place - 1
    GROUP BY seatings.event_id
)

UPDATE event_seating
SET available = counted.available
FROM counted
WHERE counted.event_id = event_seating.event_id;
