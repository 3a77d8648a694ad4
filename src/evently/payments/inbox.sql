-- The inbox of notices: stored once for each id, before they are processed.

-- name: store_notices
-- Store notices; a notice that was stored before changes nothing. Returns the new ones. The order prevents
-- deadlocks between two requests with the same notices.
INSERT INTO payment_notices (gateway, notice_id, kind, reference, payment_id, said_at, raw, received_at, body)
SELECT :gateway, new.notice_id, new.kind, new.reference, new.payment_id, new.said_at, new.raw, :now, :body
FROM unnest(
    :notice_ids::text[], :kinds::text[], :refs::text[], :payment_ids::uuid[], :ats::timestamptz[],
    :raws::text[]
) AS new (notice_id, kind, reference, payment_id, said_at, raw)
ORDER BY new.notice_id
ON CONFLICT (gateway, notice_id) DO NOTHING
RETURNING notice_id;

-- name: list_pending
-- The notices that were not processed, in the order in which they came.
SELECT gateway, notice_id, kind, reference, said_at AS at, payment_id, raw, received_at
FROM payment_notices
WHERE handled_at IS NULL
ORDER BY received_at, gateway, notice_id
LIMIT :limit;

-- name: mark_processed
-- Mark notices processed; a notice that was marked before keeps its instant. Locked in key order.
UPDATE payment_notices
SET handled_at = :now
FROM (
    SELECT payment_notices.gateway, payment_notices.notice_id
    FROM payment_notices
    WHERE
        payment_notices.gateway = :gateway
        AND payment_notices.notice_id = ANY(:notice_ids::text[])
        AND payment_notices.handled_at IS NULL
    ORDER BY payment_notices.gateway, payment_notices.notice_id
    FOR NO KEY UPDATE
) AS mine
WHERE payment_notices.gateway = mine.gateway AND payment_notices.notice_id = mine.notice_id;

-- name: forget_notices
-- Delete at most :limit notices that were processed before an instant: a gateway repeats a notice for some
-- days at most.
DELETE FROM payment_notices
USING (
    SELECT payment_notices.gateway, payment_notices.notice_id
    FROM payment_notices
    WHERE payment_notices.handled_at < :before
    ORDER BY payment_notices.handled_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
) AS old
WHERE payment_notices.gateway = old.gateway AND payment_notices.notice_id = old.notice_id;
