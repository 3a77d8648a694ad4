-- The statements of the textbook techniques: the same tables and rows (booking, tickets, idempotency key) as
-- the product, without a journal. Each technique is as fast as it can be: one statement writes all rows of a
-- booking.

-- name: lock_pool
-- Lock the pool of a booking until the commit.
SELECT capacity - held - sold - set_aside AS available
FROM pools
WHERE event_id = :event_id AND pool_id = :pool_id
FOR NO KEY UPDATE;

-- name: read_pool
-- The counters, without a lock. They serve as version, because every booking changes `sold`.
SELECT held, sold, set_aside, capacity
FROM pools
WHERE event_id = :event_id AND pool_id = :pool_id;

-- name: book_locked
-- Write all rows of a booking; the pool is locked and has enough units.
WITH counted AS (
    UPDATE pools
    SET sold = sold + :units
    WHERE event_id = :event_id AND pool_id = :pool_id
    RETURNING event_id
),

placed AS (
    INSERT INTO bookings (event_id, booking_id, buyer_id, state, placed_at, confirmed_at)
    SELECT counted.event_id, :booking_id, :buyer_id, 'confirmed', :now::timestamptz, :now FROM counted
),

answered AS (
    INSERT INTO idempotency_keys (event_id, actor_id, key, fingerprint, booking_id, answer, replays)
    SELECT counted.event_id, :buyer_id, :key, :fingerprint, :booking_id, :answer, 0 FROM counted
),

ticketed AS (
    INSERT INTO tickets (event_id, ticket_id, booking_id, ticket_type_id, price_minor, state, secret)
    SELECT counted.event_id, new.ticket_id, :booking_id, :ticket_type_id, :price_minor, 'valid', new.secret
    FROM counted CROSS JOIN unnest(:ticket_ids::uuid[], :secrets::bytea[]) AS new (ticket_id, secret)
)

SELECT count(*) FROM counted;

-- name: book_if_unchanged
-- Write all rows of a booking, if the counters are still those that were read.
WITH counted AS (
    UPDATE pools
    SET sold = sold + :units
    WHERE
        event_id = :event_id
        AND pool_id = :pool_id
        AND held = :held
        AND sold = :sold
        AND set_aside = :set_aside
    RETURNING event_id
),

placed AS (
    INSERT INTO bookings (event_id, booking_id, buyer_id, state, placed_at, confirmed_at)
    SELECT counted.event_id, :booking_id, :buyer_id, 'confirmed', :now::timestamptz, :now FROM counted
),

answered AS (
    INSERT INTO idempotency_keys (event_id, actor_id, key, fingerprint, booking_id, answer, replays)
    SELECT counted.event_id, :buyer_id, :key, :fingerprint, :booking_id, :answer, 0 FROM counted
),

ticketed AS (
    INSERT INTO tickets (event_id, ticket_id, booking_id, ticket_type_id, price_minor, state, secret)
    SELECT counted.event_id, new.ticket_id, :booking_id, :ticket_type_id, :price_minor, 'valid', new.secret
    FROM counted CROSS JOIN unnest(:ticket_ids::uuid[], :secrets::bytea[]) AS new (ticket_id, secret)
)

SELECT count(*) FROM counted;

-- name: book_if_enough
-- Everything of a booking, if there is enough: one round trip, and the row is locked for the shortest time.
WITH counted AS (
    UPDATE pools
    SET sold = sold + :units
    WHERE event_id = :event_id AND pool_id = :pool_id AND held + sold + set_aside + :units <= capacity
    RETURNING event_id
),

placed AS (
    INSERT INTO bookings (event_id, booking_id, buyer_id, state, placed_at, confirmed_at)
    SELECT counted.event_id, :booking_id, :buyer_id, 'confirmed', :now::timestamptz, :now FROM counted
),

answered AS (
    INSERT INTO idempotency_keys (event_id, actor_id, key, fingerprint, booking_id, answer, replays)
    SELECT counted.event_id, :buyer_id, :key, :fingerprint, :booking_id, :answer, 0 FROM counted
),

ticketed AS (
    INSERT INTO tickets (event_id, ticket_id, booking_id, ticket_type_id, price_minor, state, secret)
    SELECT counted.event_id, new.ticket_id, :booking_id, :ticket_type_id, :price_minor, 'valid', new.secret
    FROM counted CROSS JOIN unnest(:ticket_ids::uuid[], :secrets::bytea[]) AS new (ticket_id, secret)
)

SELECT count(*) FROM counted;

-- name: find_answer
-- What was answered to an idempotency key.
SELECT fingerprint, answer
FROM idempotency_keys
WHERE event_id = :event_id AND actor_id = :actor_id AND key = :key;

-- name: create_jobs
-- The queue of the technique that has one.
CREATE TABLE IF NOT EXISTS bench_jobs (
    job_id uuid PRIMARY KEY,
    command bytea NOT NULL
);

-- name: enqueue
-- A job, durable before anybody works on it.
INSERT INTO bench_jobs (job_id, command) VALUES (:job_id, :command);

-- name: take_job
-- The oldest job, gone with the commit of its effect.
DELETE FROM bench_jobs
WHERE job_id = (SELECT job_id FROM bench_jobs ORDER BY job_id FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING job_id, command;
