-- The demo gateway's own statements. It plays an outside provider: each statement is a short transaction of
-- its own, and no other module writes these tables.

-- columns: demo_charge
reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state,
decline_code, return_url, amount_minor, captured_minor, refunded_minor, currency, created_at, decides_at;

-- columns: begun_charge
-- The columns of a new charge; the others have their defaults.
reference, payment_id, attempt, booking_id, booking_reference, description, card, last_digits, state,
decline_code, return_url, amount_minor, currency, created_at, decides_at;

-- columns: demo_effect
reference, key, kind, amount_minor, at;

-- name: begin_charges
-- Begin charges, and authorise those that wait for nothing. An attempt that has a charge gets no row. The
-- order prevents deadlocks between two statements with the same attempts.
WITH made AS (
    INSERT INTO demo_charges ({begun_charge})
    SELECT {new.begun_charge}
    FROM unnest(
        :references::text[], :payment_ids::uuid[], :attempts::integer[], :booking_ids::uuid[],
        :booking_references::text[], :descriptions::text[], :cards::text[], :last_digits::text[],
        :states::text[], :decline_codes::text[], :return_urls::text[], :amounts_minor::bigint[],
        :currencies::text[], :ats::timestamptz[], :decide_ats::timestamptz[]
    ) AS new ({begun_charge})
    ORDER BY new.payment_id, new.attempt
    ON CONFLICT (payment_id, attempt) DO NOTHING
    RETURNING {demo_charge}
),

effect AS (
    INSERT INTO demo_effects ({demo_effect})
    SELECT made.reference, asked.key, 'authorised', made.amount_minor, made.created_at
    FROM made
    INNER JOIN unnest(:references::text[], :keys::text[]) AS asked (reference, key)
        ON asked.reference = made.reference
    WHERE made.state = 'authorised'
)

SELECT {demo_charge} FROM made;

-- name: find_attempt
-- The charge of an attempt.
SELECT {demo_charge} FROM demo_charges WHERE payment_id = :payment_id AND attempt = :attempt;

-- name: find_charge
-- A charge.
SELECT {demo_charge} FROM demo_charges WHERE reference = :reference;

-- name: authorise_charge
-- Reserve the money of a charge that is still in the given state. A second call finds it in another state.
WITH reserved AS (
    UPDATE demo_charges
    SET state = 'authorised'
    WHERE reference = :reference AND state = :state
    RETURNING reference, amount_minor
)

INSERT INTO demo_effects ({demo_effect})
SELECT reserved.reference, :key, 'authorised', reserved.amount_minor, :now FROM reserved
ON CONFLICT (reference, key) DO NOTHING;

-- name: decline_charge
-- Decline a charge whose buyer has declined it on the page.
UPDATE demo_charges
SET state = 'declined', decline_code = :decline_code
WHERE reference = :reference AND state = 'action_needed';

-- name: capture_charges
-- Capture reserved money, or lose it with the card that does so. A charge without reserved money gets no row,
-- so a second call gets none. Locked in one order.
WITH wanted AS (
    SELECT demo_charges.reference, asked.amount_minor, asked.key, asked.at
    FROM unnest(:references::text[], :amounts_minor::bigint[], :keys::text[], :ats::timestamptz[])
        AS asked (reference, amount_minor, key, at)
    INNER JOIN demo_charges ON demo_charges.reference = asked.reference
    WHERE demo_charges.state = 'authorised' AND demo_charges.amount_minor >= asked.amount_minor
    ORDER BY demo_charges.reference
    FOR NO KEY UPDATE OF demo_charges
),

captured AS (
    UPDATE demo_charges
    SET
        state = CASE WHEN demo_charges.card = 'capture-fails' THEN 'lost' ELSE 'captured' END,
        captured_minor = CASE WHEN demo_charges.card = 'capture-fails' THEN 0 ELSE wanted.amount_minor END
    FROM wanted
    WHERE demo_charges.reference = wanted.reference
    RETURNING {demo_charges.demo_charge}
),

effect AS (
    INSERT INTO demo_effects ({demo_effect})
    SELECT captured.reference, wanted.key, 'captured', captured.captured_minor, wanted.at
    FROM captured
    INNER JOIN wanted ON wanted.reference = captured.reference
    WHERE captured.state = 'captured'
)

SELECT {demo_charge} FROM captured;

-- name: void_charge
-- Void a charge that was not captured.
WITH voided AS (
    UPDATE demo_charges
    SET state = 'voided'
    WHERE reference = :reference AND state IN ('arriving', 'waiting', 'action_needed', 'authorised')
    RETURNING reference, amount_minor
)

INSERT INTO demo_effects ({demo_effect})
SELECT voided.reference, :key, 'voided', voided.amount_minor, :now FROM voided;

-- name: lock_charge
-- A charge that is to be refunded. Locked: two refunds of a charge wait for each other.
SELECT card, captured_minor, refunded_minor
FROM demo_charges
WHERE reference = :reference
FOR NO KEY UPDATE;

-- name: list_refunds
-- The refunds of a locked charge, with those that failed. It has no more of them than its booking has
-- tickets, times attempts.
SELECT key, kind, amount_minor
FROM demo_effects
WHERE reference = :reference AND kind IN ('refunded', 'refund_failed')
ORDER BY key
LIMIT 1000;

-- name: refund_charge
-- Refund a locked charge, or fail to.
WITH effect AS (
    INSERT INTO demo_effects (reference, key, kind, amount_minor, at)
    VALUES (:reference, :key, :kind, :amount_minor, :now)
    RETURNING reference, kind, amount_minor
)

UPDATE demo_charges
SET refunded_minor = demo_charges.refunded_minor + effect.amount_minor
FROM effect
WHERE demo_charges.reference = effect.reference AND effect.kind = 'refunded';

-- name: list_outside
-- Refunds by another hand, oldest first, after a place.
SELECT demo_effects.at, demo_effects.reference, demo_effects.key, demo_charges.payment_id
FROM demo_effects
INNER JOIN demo_charges ON demo_charges.reference = demo_effects.reference
WHERE
    demo_effects.key LIKE 'outside:%'
    AND (demo_effects.at, demo_effects.reference, demo_effects.key)
    > (:at::timestamptz, :reference::text, :key::text)
ORDER BY demo_effects.at, demo_effects.reference, demo_effects.key
LIMIT :limit;

-- name: list_effects
-- The effects of a payment, in order.
SELECT {demo_effects.demo_effect}
FROM demo_effects
JOIN demo_charges USING (reference)
WHERE demo_charges.payment_id = :payment_id
ORDER BY demo_effects.at, demo_effects.key
LIMIT 1000;

-- name: forget_charges
-- Delete the charges of payments of a sandbox event, with their effects.
DELETE FROM demo_charges WHERE payment_id = ANY(:payment_ids::uuid[]);
