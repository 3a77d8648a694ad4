-- Browsing: which events come next, in three orders, each along an index, after an instant and an id. The
-- filter on the price only leaves out events that are certainly too expensive: `price_from_minor` is the
-- lowest price of an event whenever it is sold, and sales knows what is sold now.

-- name: plan_for_these_values
-- Plan the statements of this transaction for their values. The best plans for `jazz` and for a word that
-- every event has differ by a hundred times, and a generic plan takes the worse one. It also drops each
-- condition whose parameter is NULL.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: list_soonest
-- Published events by start, the soonest first: along events_upcoming_ix, events_seated_ix for those with
-- seats, or events_search_ix where few events match.
SELECT event_id, starts_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox
    AND (:search::text IS NULL OR search @@ :search::text::tsquery)
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (:seated::boolean IS NULL OR seated = :seated)
    AND (starts_at, event_id) > (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at, event_id
LIMIT :limit;

-- name: list_latest
-- Published events by start, the latest first: along events_upcoming_ix, backwards.
SELECT event_id, starts_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox
    AND (:search::text IS NULL OR search @@ :search::text::tsquery)
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (:seated::boolean IS NULL OR seated = :seated)
    AND (starts_at, event_id) < (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at DESC, event_id DESC
LIMIT :limit;

-- name: list_newest
-- Published events by publication, the newest first: along events_newest_ix, backwards.
SELECT event_id, published_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox
    AND (:search::text IS NULL OR search @@ :search::text::tsquery)
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (:seated::boolean IS NULL OR seated = :seated)
    AND (published_at, event_id) < (:after_at::timestamptz, :after_id::uuid)
ORDER BY published_at DESC, event_id DESC
LIMIT :limit;

-- name: list_of_organizer
-- A page of the events of an organizer, newest first, without those of rehearsals. NULL: of all organizers,
-- with them, in every state.
SELECT event_id
FROM events
WHERE
    (:organizer_id::uuid IS NULL OR (organizer_id = :organizer_id AND NOT sandbox))
    AND (:after::uuid IS NULL OR event_id < :after)
    AND (:state::text IS NULL OR state = :state)
ORDER BY event_id DESC
LIMIT :limit;

-- name: list_ahead_of_organizer
-- A page of the events of an organizer that have not ended, the soonest first: drafts and published ones.
SELECT event_id, starts_at
FROM events
WHERE
    organizer_id = :organizer_id
    AND NOT sandbox
    AND state <> 'cancelled'
    AND ends_at > :now
    AND (starts_at, event_id) > (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at, event_id
LIMIT :limit;

-- name: list_currencies
-- Those of some currencies that published events have: one look into events_price_ix for each.
SELECT known.currency
FROM unnest(:currencies::text[]) AS known (currency)
WHERE EXISTS (
    SELECT 1
    FROM events
    WHERE events.state = 'published' AND NOT events.sandbox AND events.currency = known.currency
)
ORDER BY known.currency;

-- name: list_currencies_spread
-- The same on a cluster, which has no such looks: each shard reads the index of its published events.
SELECT DISTINCT currency
FROM events
WHERE state = 'published' AND NOT sandbox AND currency = ANY(:currencies::text[])
ORDER BY currency;
