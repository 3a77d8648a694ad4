-- The rows of payments and refunds. Each change of state names the state before it, so that of two processes
-- that move a row from the same state, one succeeds.

-- columns: payment
event_id, payment_id, booking_id, buyer_id, attempt, fingerprint, gateway, method, hosted, return_url,
description, expires_at, reference, next_action, failure_code, failure_message, state, amount_minor, currency,
created_at, changed_at, resume_at, tries, card_digits;

-- columns: begun_payment
-- The columns of a new payment whose values are given; the statement below computes the others.
event_id, payment_id, booking_id, buyer_id, idempotency_key, fingerprint, gateway, method, hosted, return_url,
description, expires_at, amount_minor, currency, created_at, resume_at;

-- columns: refund
event_id, refund_id, booking_id, payment_id, amount_minor, attempt, reference, failure_code, failure_message,
state, created_at, changed_at, resume_at, tries;

-- name: find_due_bookings
-- What payments need to know about bookings.
SELECT
    bookings.event_id,
    bookings.booking_id,
    bookings.buyer_id,
    bookings.state,
    bookings.expires_at,
    bookings.payment = 'online' AS online,
    due.amount_minor,
    sales.currency,
    bookings.payment_id,
    events.title AS description,
    -- An offer that uses up a promo code when it is accepted
    EXISTS (
        SELECT 1
        FROM waitlist_entries AS entries
        INNER JOIN ticket_types
            ON
                ticket_types.event_id = entries.event_id
                AND ticket_types.ticket_type_id = entries.ticket_type_id
                AND ticket_types.hidden
        WHERE
            entries.event_id = bookings.event_id
            AND entries.entry_id = bookings.entry_id
            AND entries.state = 'offered'
            AND entries.promo_id IS NOT NULL
    ) AS accept_first
FROM bookings
INNER JOIN sales ON sales.event_id = bookings.event_id
INNER JOIN events ON events.event_id = bookings.event_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(
            sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor), 0
        )::bigint AS amount_minor
    FROM tickets
    WHERE
        tickets.event_id = bookings.event_id
        AND tickets.booking_id = bookings.booking_id
        AND tickets.state != 'void'
) AS due
WHERE bookings.booking_id = ANY(:booking_ids::uuid[]);

-- name: insert_payments
-- Begin payments. A booking with a live payment, or a key that was used, gets no row. The indexes decide,
-- because many requests may begin at once. The order prevents deadlocks
-- between two statements with the same bookings.
INSERT INTO payments (attempt, state, changed_at, tries, {begun_payment})
SELECT coalesce(earlier.attempt, 0) + 1, 'authorising', new.created_at, 0, {new.begun_payment}
FROM unnest(
    :event_ids::uuid[], :payment_ids::uuid[], :booking_ids::uuid[], :buyer_ids::uuid[],
    :idempotency_keys::text[], :fingerprints::bytea[], :gateways::text[], :methods::text[],
    :hosteds::boolean[], :return_urls::text[], :descriptions::text[], :expires_ats::timestamptz[],
    :amount_minors::bigint[], :currencys::text[], :created_ats::timestamptz[], :resume_ats::timestamptz[]
) AS new ({begun_payment})
LEFT JOIN (
    SELECT payments.event_id, payments.booking_id, max(payments.attempt) AS attempt
    FROM payments
    WHERE payments.event_id = ANY(:event_ids) AND payments.booking_id = ANY(:booking_ids)
    GROUP BY payments.event_id, payments.booking_id
) AS earlier ON earlier.event_id = new.event_id AND earlier.booking_id = new.booking_id
ORDER BY new.event_id, new.booking_id
ON CONFLICT DO NOTHING
RETURNING {payment};

-- name: lock_payments
-- Lock payments before several are moved, in key order, because other processes may move the same ones. No
-- key changes, so that refunds may refer to them at the same time.
SELECT event_id, payment_id
FROM payments
WHERE event_id = ANY(:event_ids::uuid[]) AND payment_id = ANY(:payment_ids::uuid[])
ORDER BY event_id, payment_id
FOR NO KEY UPDATE;

-- name: move_payments
-- Move payments from one state to another, or change them within a state. A payment that has left the given
-- state gets no row: an update that has waited for another one compares the row again. A NULL keeps the old
-- value, except in next_action, which is set each time.
UPDATE payments
SET
    state = new.state,
    reference = coalesce(new.reference, payments.reference),
    next_action = new.next_action,
    failure_code = coalesce(new.failure_code, payments.failure_code),
    failure_message = coalesce(new.failure_message, payments.failure_message),
    card_digits = coalesce(new.card_digits, payments.card_digits),
    changed_at = CASE WHEN payments.state = new.state THEN payments.changed_at ELSE new.at END,
    tries = CASE WHEN payments.state = new.state THEN payments.tries ELSE 0 END,
    resume_at = new.resume_at
FROM unnest(
    :event_ids::uuid[], :payment_ids::uuid[], :was::text[], :states::text[], :refs::text[],
    :next_actions::text[], :failure_codes::text[], :failure_messages::text[], :card_digits::text[],
    :ats::timestamptz[], :resume_ats::timestamptz[]
) AS new (
    event_id, payment_id, was, state, reference, next_action, failure_code, failure_message, card_digits, at,
    resume_at
)
WHERE
    payments.event_id = new.event_id
    AND payments.payment_id = new.payment_id
    AND payments.state = new.was
    /* routed: AND payments.event_id = ANY(:event_ids) */
RETURNING {payments.payment};

-- name: find_payment
-- A payment, by its id alone.
SELECT {payment}
FROM payments
WHERE payment_id = :payment_id;

-- name: find_payment_by_reference
-- A payment, by its reference at the gateway.
SELECT {payment}
FROM payments
WHERE gateway = :gateway AND reference = :reference
LIMIT 1;

-- name: find_payment_by_key
-- The payment that an earlier request began with this key.
SELECT {payment}
FROM payments
WHERE event_id = :event_id AND buyer_id = :buyer_id AND idempotency_key = :key;

-- name: list_latest_payments
-- The latest payment of each of these bookings, of any events; a booking without one has no row.
SELECT {latest.payment}
FROM bookings
CROSS JOIN LATERAL (
    SELECT {payments.payment}
    FROM payments
    WHERE payments.event_id = bookings.event_id AND payments.booking_id = bookings.booking_id
    ORDER BY payments.attempt DESC
    LIMIT 1
) AS latest
WHERE bookings.booking_id = ANY(:booking_ids::uuid[]);

-- name: find_latest_gateway
-- The gateway of the latest payment of all. Ids grow with time, and payments_payment_ix has their order.
SELECT gateway
FROM payments
ORDER BY payment_id DESC
LIMIT 1;

-- name: list_payments
-- The payments of a booking, the latest first.
SELECT {payment}
FROM payments
WHERE (event_id, booking_id) = (
    SELECT bookings.event_id, bookings.booking_id FROM bookings WHERE bookings.booking_id = :booking_id
)
ORDER BY attempt DESC
LIMIT :limit;

-- name: list_attempted
-- Bookings with a payment, in whatever state. One look-up in an index for each.
SELECT DISTINCT payments.booking_id
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS expired (event_id, booking_id)
INNER JOIN payments
    ON payments.event_id = expired.event_id AND payments.booking_id = expired.booking_id
/* routed: WHERE payments.event_id = ANY(:event_ids) */;

-- name: list_due_payments
-- Payments whose next step is due, those that are due longest first: without those of some gateways, or only
-- those of one.
SELECT event_id, payment_id
FROM payments
WHERE
    resume_at <= :now
    AND gateway <> ALL(:without::text[])
    AND (:only::text IS NULL OR gateway = :only)
ORDER BY resume_at
LIMIT :limit;

-- name: lock_due_payments
-- Lock those of these payments that are still due, and return their tries. Rows that another process is
-- taking are skipped; those that it has taken are not due any more.
SELECT event_id, payment_id, tries
FROM payments
WHERE event_id = ANY(:event_ids::uuid[]) AND payment_id = ANY(:payment_ids::uuid[]) AND resume_at <= :now
ORDER BY event_id, payment_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: take_due_payments
-- Take payments that are locked: they are due again at their instants, in case this process dies. A cluster
-- computes no instants in an UPDATE.
UPDATE payments
SET tries = payments.tries + 1, resume_at = taken.resume_at
FROM unnest(:event_ids::uuid[], :payment_ids::uuid[], :resume_ats::timestamptz[])
    AS taken (event_id, payment_id, resume_at)
WHERE
    payments.event_id = taken.event_id
    AND payments.payment_id = taken.payment_id
    /* routed: AND payments.event_id = ANY(:event_ids) */
RETURNING {payments.payment};

-- name: insert_refunds
-- Begin refunds that the sales engine has decided, unless they are settled. Harmless to repeat. The order
-- prevents deadlocks between two statements with the same refunds.
INSERT INTO payment_refunds (
    event_id, refund_id, booking_id, payment_id, amount_minor, attempt, state, created_at, changed_at,
    resume_at, tries
)
SELECT
    refunds.event_id,
    refunds.refund_id,
    refunds.booking_id,
    payments.payment_id,
    refunds.amount_minor,
    1,
    'asking',
    new.at,
    new.at,
    new.at + :pause::interval,
    0
FROM unnest(:event_ids::uuid[], :refund_ids::uuid[], :ats::timestamptz[]) AS new (event_id, refund_id, at)
INNER JOIN refunds ON refunds.event_id = new.event_id AND refunds.refund_id = new.refund_id
INNER JOIN bookings ON bookings.event_id = refunds.event_id AND bookings.booking_id = refunds.booking_id
INNER JOIN payments ON payments.event_id = bookings.event_id AND payments.payment_id = bookings.payment_id
WHERE
    refunds.settled_at IS NULL
    /* routed: AND refunds.event_id = ANY(:event_ids)
    AND bookings.event_id = ANY(:event_ids)
    AND payments.event_id = ANY(:event_ids) */
ORDER BY refunds.event_id, refunds.refund_id
ON CONFLICT DO NOTHING;

-- name: find_refund
-- A refund at the gateway.
SELECT {payment_refunds.refund}, payments.currency
FROM payment_refunds
INNER JOIN payments
    ON payments.event_id = payment_refunds.event_id AND payments.payment_id = payment_refunds.payment_id
WHERE payment_refunds.event_id = :event_id AND payment_refunds.refund_id = :refund_id;

-- name: list_refunds_of_booking
-- The refunds of a booking at the gateway (payment_refunds_payment_ix), and those by another hand, oldest
-- first.
SELECT
    payment_refunds.refund_id, payment_refunds.booking_id, payment_refunds.payment_id,
    'evently' AS origin, payment_refunds.state, payment_refunds.amount_minor, payments.currency,
    payment_refunds.attempt, payment_refunds.reference, payment_refunds.failure_code,
    payment_refunds.failure_message, payment_refunds.created_at, payment_refunds.changed_at
FROM payments
INNER JOIN payment_refunds
    ON payment_refunds.event_id = payments.event_id AND payment_refunds.payment_id = payments.payment_id
WHERE payments.event_id = :event_id AND payments.payment_id = :payment_id::uuid
UNION ALL
SELECT
    outside_refunds.refund_id, outside_refunds.booking_id, :payment_id AS payment_id,
    CASE outside_refunds.kind WHEN 'refund' THEN 'gateway' ELSE outside_refunds.kind END AS origin,
    CASE WHEN outside_refunds.reversed_at IS NULL THEN 'settled' ELSE 'reversed' END AS state,
    outside_refunds.amount_minor, sales.currency, 1 AS attempt, outside_refunds.reference,
    NULL AS failure_code, NULL AS failure_message, outside_refunds.recorded_at AS created_at,
    coalesce(outside_refunds.reversed_at, outside_refunds.recorded_at) AS changed_at
FROM outside_refunds
INNER JOIN sales ON sales.event_id = outside_refunds.event_id
WHERE outside_refunds.event_id = :event_id AND outside_refunds.booking_id = :booking_id
ORDER BY refund_id
LIMIT :limit;

-- name: list_refunds
-- The refunds of an event, the latest first: of one state, or all. Those of the checkout, and those by
-- another hand; each part reads no more than a page.
(
    SELECT
        payment_refunds.refund_id, payment_refunds.booking_id, payment_refunds.payment_id,
        'evently' AS origin, payment_refunds.state, payment_refunds.amount_minor, payments.currency,
        payment_refunds.attempt, payment_refunds.reference, payment_refunds.failure_code,
        payment_refunds.failure_message, payment_refunds.created_at, payment_refunds.changed_at
    FROM payment_refunds
    INNER JOIN payments
        ON payments.event_id = payment_refunds.event_id AND payments.payment_id = payment_refunds.payment_id
    WHERE
        payment_refunds.event_id = :event_id
        AND (:state::text IS NULL OR payment_refunds.state = :state)
        AND (:after::uuid IS NULL OR payment_refunds.refund_id < :after)
    ORDER BY payment_refunds.refund_id DESC
    LIMIT :limit
)
UNION ALL
(
    SELECT
        outside_refunds.refund_id, outside_refunds.booking_id, bookings.payment_id,
        CASE outside_refunds.kind WHEN 'refund' THEN 'gateway' ELSE outside_refunds.kind END AS origin,
        CASE WHEN outside_refunds.reversed_at IS NULL THEN 'settled' ELSE 'reversed' END AS state,
        outside_refunds.amount_minor, sales.currency, 1 AS attempt, outside_refunds.reference,
        NULL AS failure_code, NULL AS failure_message, outside_refunds.recorded_at AS created_at,
        coalesce(outside_refunds.reversed_at, outside_refunds.recorded_at) AS changed_at
    FROM outside_refunds
    INNER JOIN bookings
        ON bookings.event_id = outside_refunds.event_id AND bookings.booking_id = outside_refunds.booking_id
    INNER JOIN sales ON sales.event_id = outside_refunds.event_id
    WHERE
        outside_refunds.event_id = :event_id
        AND (
            :state::text IS NULL
            OR (:state = 'settled' AND outside_refunds.reversed_at IS NULL)
            OR (:state = 'reversed' AND outside_refunds.reversed_at IS NOT NULL)
        )
        AND (:after::uuid IS NULL OR outside_refunds.refund_id < :after)
    ORDER BY outside_refunds.refund_id DESC
    LIMIT :limit
)
ORDER BY refund_id DESC
LIMIT :limit;

-- name: count_failed_refunds
-- The events of an organizer with refunds that failed and wait for a person, with their number. The index of
-- failed refunds is small.
SELECT payment_refunds.event_id, events.title, count(*) AS refunds
FROM payment_refunds
INNER JOIN events ON events.event_id = payment_refunds.event_id
WHERE payment_refunds.state = 'failed' AND events.organizer_id = :organizer_id
GROUP BY payment_refunds.event_id, events.title
ORDER BY payment_refunds.event_id
LIMIT :limit;

-- name: list_refunds_of_payment
-- The settled refunds of a payment.
SELECT refund_id
FROM payment_refunds
WHERE event_id = :event_id AND payment_id = :payment_id AND state = 'settled'
ORDER BY refund_id
LIMIT :limit;

-- name: move_refund
-- Move the current attempt at a refund from one state to another; no row when it has left the given state.
UPDATE payment_refunds
SET
    state = :state,
    reference = coalesce(:reference, reference),
    failure_code = :failure_code,
    failure_message = :failure_message,
    changed_at = CASE WHEN state = :state THEN changed_at ELSE :now END,
    resume_at = CASE WHEN :state = 'asking' THEN resume_at END
WHERE event_id = :event_id AND refund_id = :refund_id AND attempt = :attempt AND state = :was
RETURNING refund_id;

-- name: retry_refund
-- Begin the next attempt at a refund that has failed; it is due at once.
UPDATE payment_refunds
SET attempt = attempt + 1, state = 'asking', changed_at = :now, resume_at = :now, tries = 0
WHERE event_id = :event_id AND refund_id = :refund_id AND state = 'failed'
RETURNING refund_id;

-- name: list_due_refunds
-- Refunds whose next step is due, those that are due longest first.
SELECT event_id, refund_id
FROM payment_refunds
WHERE resume_at <= :now
ORDER BY resume_at
LIMIT :limit;

-- name: lock_due_refunds
-- Lock those of these refunds that are still due, as lock_due_payments does.
SELECT event_id, refund_id, tries
FROM payment_refunds
WHERE event_id = ANY(:event_ids::uuid[]) AND refund_id = ANY(:refund_ids::uuid[]) AND resume_at <= :now
ORDER BY event_id, refund_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: take_due_refunds
-- Take refunds that are locked, as take_due_payments does.
UPDATE payment_refunds
SET tries = payment_refunds.tries + 1, resume_at = taken.resume_at
FROM unnest(:event_ids::uuid[], :refund_ids::uuid[], :resume_ats::timestamptz[])
    AS taken (event_id, refund_id, resume_at)
WHERE
    payment_refunds.event_id = taken.event_id
    AND payment_refunds.refund_id = taken.refund_id
    /* routed: AND payment_refunds.event_id = ANY(:event_ids) */
RETURNING payment_refunds.event_id, payment_refunds.refund_id;

-- name: begin_forgotten_refunds
-- Begin refunds that were decided a while ago and never begun, at once and not one by one: the relay has set
-- their event aside, or an older version stored a job for them.
INSERT INTO payment_refunds (
    event_id, refund_id, booking_id, payment_id, amount_minor, attempt, state, created_at, changed_at,
    resume_at, tries
)
SELECT
    forgotten.event_id,
    forgotten.refund_id,
    forgotten.booking_id,
    payments.payment_id,
    forgotten.amount_minor,
    1,
    'asking',
    forgotten.decided_at,
    forgotten.decided_at,
    :now,
    0
FROM (
    SELECT refunds.event_id, refunds.refund_id, refunds.booking_id, refunds.amount_minor, refunds.decided_at
    FROM refunds
    WHERE
        refunds.settled_at IS NULL
        AND refunds.decided_at <= :before
        AND NOT EXISTS (
            SELECT 1 FROM payment_refunds
            WHERE
                payment_refunds.event_id = refunds.event_id
                AND payment_refunds.refund_id = refunds.refund_id
        )
    ORDER BY refunds.decided_at
    LIMIT :limit
) AS forgotten
INNER JOIN bookings
    ON bookings.event_id = forgotten.event_id AND bookings.booking_id = forgotten.booking_id
INNER JOIN payments ON payments.event_id = bookings.event_id AND payments.payment_id = bookings.payment_id
ORDER BY forgotten.event_id, forgotten.refund_id
ON CONFLICT DO NOTHING;

-- name: preview_cancellation
-- What cancelling an event now would do. A booking with a used ticket stays. What others have paid back at
-- the gateway, and what was decided before, is not paid back again.
SELECT
    sales.currency,
    count(live.booking_id) FILTER (WHERE NOT live.used) AS bookings,
    count(live.booking_id) FILTER (WHERE live.used) AS bookings_used,
    coalesce(
        sum(least(live.total_minor, live.left_minor)) FILTER (WHERE NOT live.used AND live.online), 0
    )::bigint AS to_refund_minor,
    coalesce(
        sum(live.total_minor) FILTER (WHERE NOT live.used AND live.at_door), 0
    )::bigint AS at_door_minor
FROM sales
LEFT JOIN LATERAL (
    SELECT
        bookings.booking_id,
        bookings.payment_id IS NOT NULL AS online,
        bookings.state = 'confirmed' AND bookings.payment_id IS NULL AS at_door,
        bookings.paid_minor - bookings.refunded_minor - bookings.outside_minor AS left_minor,
        coalesce(bool_or(tickets.state = 'used'), false) AS used,
        coalesce(
            sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor)
                FILTER (WHERE tickets.state = 'valid'), 0
        )::bigint AS total_minor
    FROM bookings
    INNER JOIN tickets
        ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
    WHERE bookings.event_id = sales.event_id AND bookings.state IN ('held', 'confirmed')
    GROUP BY bookings.event_id, bookings.booking_id
) AS live ON true
WHERE sales.event_id = :event_id
GROUP BY sales.currency;

-- name: read_cancellation
-- How far the cancellation of an event is.
SELECT
    events.state AS event_state,
    sales.currency,
    counted.bookings,
    counted.bookings_left,
    owed.refunds,
    owed.refunds_settled,
    owed.refunds_failed,
    owed.refunded_minor,
    owed.to_refund_minor
FROM events
INNER JOIN sales ON sales.event_id = events.event_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS bookings,
        count(*) FILTER (WHERE bookings.state IN ('held', 'confirmed')) AS bookings_left
    FROM bookings
    WHERE bookings.event_id = events.event_id
) AS counted
CROSS JOIN LATERAL (
    SELECT
        count(*) AS refunds,
        count(*) FILTER (WHERE refunds.settled_at IS NOT NULL) AS refunds_settled,
        count(*) FILTER (WHERE payment_refunds.state = 'failed') AS refunds_failed,
        coalesce(
            sum(refunds.amount_minor) FILTER (WHERE refunds.settled_at IS NOT NULL), 0
        )::bigint AS refunded_minor,
        coalesce(sum(refunds.amount_minor), 0)::bigint AS to_refund_minor
    FROM refunds
    LEFT JOIN payment_refunds
        ON payment_refunds.event_id = refunds.event_id AND payment_refunds.refund_id = refunds.refund_id
    WHERE refunds.event_id = events.event_id
) AS owed
WHERE events.event_id = :event_id;

-- name: list_cards
-- The last digits of the cards of a buyer, with the bookings that were paid with them.
SELECT payments.booking_id, payments.card_digits
FROM bookings
INNER JOIN payments ON payments.event_id = bookings.event_id AND payments.booking_id = bookings.booking_id
WHERE bookings.buyer_id = :person_id AND payments.card_digits IS NOT NULL
ORDER BY payments.booking_id DESC
LIMIT :limit;

-- name: forget_cards
-- Forget the last digits of the cards of a buyer.
UPDATE payments
SET card_digits = NULL
FROM bookings
WHERE
    bookings.buyer_id = :person_id
    AND payments.event_id = bookings.event_id
    AND payments.booking_id = bookings.booking_id
    AND payments.card_digits IS NOT NULL;

-- name: find_reconciliation
-- How far the notices of a gateway were read back.
SELECT since, began_at, after
FROM reconciliations
WHERE gateway = :gateway;

-- name: put_reconciliation
-- Store how far the notices of a gateway were read back.
INSERT INTO reconciliations (gateway, since, began_at, after)
VALUES (:gateway, :since, :began_at, :after)
ON CONFLICT (gateway) DO UPDATE
SET since = excluded.since, began_at = excluded.began_at, after = excluded.after;

-- name: forget_event
-- Delete the payments of a sandbox event, and return their ids. In one statement: foreign keys are checked at
-- its end.
WITH gone_refunds AS (DELETE FROM payment_refunds WHERE event_id = :event_id)

DELETE FROM payments WHERE event_id = :event_id
RETURNING payment_id;
