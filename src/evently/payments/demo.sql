-- The demo gateway's own statements. It plays an outside provider: each is a short transaction of its own, and nobody else writes these tables.

-- name: begin_charges
-- Charges for attempts that have none, and what was reserved with them. Attempts that have one get no row. Many at once, in one order, so that
-- two that begin the same ones wait for each other.
WITH made AS (
    INSERT INTO demo_charges (
        reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state, decline_code,
        return_url, amount_minor, currency, created_at, decides_at
    )
    SELECT *
    FROM unnest(
        :references::text[], :payment_ids::uuid[], :attempts::integer[], :booking_ids::uuid[], :booking_references::text[],
        :descriptions::text[], :cards::text[], :last_digits::text[], :states::text[], :decline_codes::text[], :return_urls::text[],
        :amounts_minor::bigint[], :currencies::text[], :ats::timestamptz[], :decide_ats::timestamptz[]
    ) AS new (
        reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state, decline_code,
        return_url, amount_minor, currency, created_at, decides_at
    )
    ORDER BY new.payment_id, new.attempt
    ON CONFLICT (payment_id, attempt) DO NOTHING
    RETURNING
        reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state, decline_code,
        return_url, amount_minor, captured_minor, refunded_minor, currency, created_at, decides_at
),

effect AS (
    INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
    SELECT made.reference, asked.key, 'authorised', made.amount_minor, made.created_at
    FROM made
    INNER JOIN unnest(:references::text[], :keys::text[]) AS asked (reference, key) ON asked.reference = made.reference
    WHERE made.state = 'authorised'
)

SELECT * FROM made;

-- name: find_attempt
-- The charge of an attempt.
SELECT
    reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state, decline_code,
    return_url, amount_minor, captured_minor, refunded_minor, currency, created_at, decides_at
FROM demo_charges
WHERE payment_id = :payment_id AND attempt = :attempt;

-- name: find_charge
-- A charge.
SELECT
    reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state, decline_code,
    return_url, amount_minor, captured_minor, refunded_minor, currency, created_at, decides_at
FROM demo_charges
WHERE reference = :reference;

-- name: authorise_charge
-- Reserve the money of a charge that is in the given state still. Whoever comes second finds it in another one.
WITH reserved AS (
    UPDATE demo_charges
    SET state = 'authorised'
    WHERE reference = :reference AND state = :state
    RETURNING reference, amount_minor
)

INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
SELECT reserved.reference, :key, 'authorised', reserved.amount_minor, :now FROM reserved
ON CONFLICT (reference, key) DO NOTHING;

-- name: decline_charge
-- The buyer said no on its page.
UPDATE demo_charges
SET state = 'declined', decline_code = :decline_code
WHERE reference = :reference AND state = 'action_needed';

-- name: capture_charges
-- Take reserved money, or lose it where the card is made for that. Whoever comes second finds no reserved money any more, and gets no row. Many
-- at once, locked in one order.
WITH wanted AS (
    SELECT demo_charges.reference, asked.amount_minor, asked.key, asked.at
    FROM unnest(:references::text[], :amounts_minor::bigint[], :keys::text[], :ats::timestamptz[]) AS asked (reference, amount_minor, key, at)
    INNER JOIN demo_charges ON demo_charges.reference = asked.reference
    WHERE demo_charges.state = 'authorised' AND demo_charges.amount_minor >= asked.amount_minor
    ORDER BY demo_charges.reference
    FOR NO KEY UPDATE OF demo_charges
),

taken AS (
    UPDATE demo_charges
    SET
        state = CASE WHEN demo_charges.card = 'capture-fails' THEN 'lost' ELSE 'captured' END,
        captured_minor = CASE WHEN demo_charges.card = 'capture-fails' THEN 0 ELSE wanted.amount_minor END
    FROM wanted
    WHERE demo_charges.reference = wanted.reference
    RETURNING
        demo_charges.reference,
        demo_charges.payment_id,
        demo_charges.attempt,
        demo_charges.booking_id,
        demo_charges.booking_reference,
        demo_charges.description,
        demo_charges.card,
        demo_charges.last_digits,
        demo_charges.state,
        demo_charges.decline_code,
        demo_charges.return_url,
        demo_charges.amount_minor,
        demo_charges.captured_minor,
        demo_charges.refunded_minor,
        demo_charges.currency,
        demo_charges.created_at,
        demo_charges.decides_at
),

effect AS (
    INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
    SELECT taken.reference, wanted.key, 'captured', taken.captured_minor, wanted.at
    FROM taken
    INNER JOIN wanted ON wanted.reference = taken.reference
    WHERE taken.state = 'captured'
)

SELECT * FROM taken;

-- name: void_charge
-- Let go of a charge that took nothing.
WITH freed AS (
    UPDATE demo_charges
    SET state = 'voided'
    WHERE reference = :reference AND state IN ('arriving', 'waiting', 'action_needed', 'authorised')
    RETURNING reference, amount_minor
)

INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
SELECT freed.reference, :key, 'voided', freed.amount_minor, :now FROM freed;

-- name: lock_charge
-- A charge, to be paid back from: two refunds of it wait for each other.
SELECT card, captured_minor, refunded_minor
FROM demo_charges
WHERE reference = :reference
FOR NO KEY UPDATE;

-- name: list_refunds
-- What was paid back of a charge, or should have been. The charge is locked; it has no more refunds than its booking has tickets, times attempts.
SELECT key, kind, amount_minor
FROM demo_effects
WHERE reference = :reference AND kind IN ('refunded', 'refund_failed')
ORDER BY key
LIMIT 1000;

-- name: refund_charge
-- Pay back, or fail to. The charge is locked.
WITH effect AS (
    INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
    VALUES (:reference, :key, :kind, :amount_minor, :now)
    RETURNING reference, kind, amount_minor
)

UPDATE demo_charges
SET refunded_minor = demo_charges.refunded_minor + effect.amount_minor
FROM effect
WHERE demo_charges.reference = effect.reference AND effect.kind = 'refunded';

-- name: list_effects
-- What was done for a payment, in order: by this the gateway is judged.
SELECT demo_effects.reference, demo_effects.key, demo_effects.kind, demo_effects.amount_minor, demo_effects.at
FROM demo_effects
JOIN demo_charges USING (reference)
WHERE demo_charges.payment_id = :payment_id
ORDER BY demo_effects.at, demo_effects.key
LIMIT 1000;
