-- The demo gateway's own statements. It plays an outside provider: each is a short transaction of its own, and nobody else writes these tables.

-- name: begin_charge
-- A charge for an attempt, unless there is one, and what was reserved with it.
WITH made AS (
    INSERT INTO demo_charges (
        reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state, decline_code,
        return_url, amount_minor, currency, created_at, decides_at
    )
    VALUES (
        :reference, :payment_id, :attempt, :booking_id, :booking_reference, :description, :card, :last_digits, :state,
        :decline_code, :return_url, :amount_minor, :currency, :now, :decides_at
    )
    ON CONFLICT (payment_id, attempt) DO NOTHING
    RETURNING reference, state, amount_minor
),

effect AS (
    INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
    SELECT made.reference, :key, 'authorised', made.amount_minor, :now FROM made WHERE made.state = 'authorised'
)

SELECT made.reference FROM made;

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

-- name: capture_charge
-- Take reserved money, or lose it where the card is made for that. Whoever comes second finds no reserved money any more.
WITH taken AS (
    UPDATE demo_charges
    SET
        state = CASE WHEN card = 'capture-fails' THEN 'lost' ELSE 'captured' END,
        captured_minor = CASE WHEN card = 'capture-fails' THEN 0 ELSE :amount_minor::bigint END
    WHERE reference = :reference AND state = 'authorised' AND amount_minor >= :amount_minor
    RETURNING reference, state, captured_minor
),

effect AS (
    INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
    SELECT taken.reference, :key, 'captured', taken.captured_minor, :now FROM taken WHERE taken.state = 'captured'
)

SELECT taken.state FROM taken;

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
