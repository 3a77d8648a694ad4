-- Browsing: which events come next (six ways along an index, each beginning after an instant and an id), and what the till says of them.
-- The price here only sorts out what is certainly too dear; the till says what an event costs and whether it can be booked.

-- name: plan_for_these_values
-- Have the statements of this transaction planned for their values: the best way to `jazz` and to a word that stands everywhere differ by
-- a hundred times, and a plan made for no word in particular takes the worse one.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: soonest
-- By start, the soonest first: along events_upcoming_ix.
SELECT event_id, starts_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (starts_at, event_id) > (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at, event_id
LIMIT :limit;

-- name: soonest_found
-- The same for those that a search finds: along events_search_ix where it finds few.
SELECT event_id, starts_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox AND search @@ :search::text::tsquery
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (starts_at, event_id) > (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at, event_id
LIMIT :limit;

-- name: latest
-- By start, the latest first: along events_upcoming_ix, backwards.
SELECT event_id, starts_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (starts_at, event_id) < (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at DESC, event_id DESC
LIMIT :limit;

-- name: latest_found
-- The same for those that a search finds.
SELECT event_id, starts_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox AND search @@ :search::text::tsquery
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (starts_at, event_id) < (:after_at::timestamptz, :after_id::uuid)
ORDER BY starts_at DESC, event_id DESC
LIMIT :limit;

-- name: newest
-- By publication, the newest first: along events_newest_ix, backwards.
SELECT event_id, published_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (published_at, event_id) < (:after_at::timestamptz, :after_id::uuid)
ORDER BY published_at DESC, event_id DESC
LIMIT :limit;

-- name: newest_found
-- The same for those that a search finds.
SELECT event_id, published_at AS at
FROM events
WHERE
    state = 'published' AND NOT sandbox AND search @@ :search::text::tsquery
    AND starts_at >= :starts_from AND starts_at < :starts_before AND ends_at > :ends_after
    AND (:price_max::bigint IS NULL OR (currency = :currency AND price_from_minor <= :price_max))
    AND (published_at, event_id) < (:after_at::timestamptz, :after_id::uuid)
ORDER BY published_at DESC, event_id DESC
LIMIT :limit;

-- name: look_at_till
-- What some events cost at least, and whether one can book now. Where no sale is open there is no cheapest ticket type left to buy, only the
-- cheapest there is.
SELECT
    events.event_id, coalesce(till.price_minor, events.price_from_minor) AS price_from_minor, coalesce(till.available, false) AS available
FROM events
CROSS JOIN LATERAL (
    SELECT min(types.price_minor) AS price_minor, bool_or(types.on_sale_at <= :now AND types.available > 0) AS available
    FROM open_ticket_types AS types
    WHERE types.event_id = events.event_id AND types.off_sale_at > :now
) AS till
WHERE events.event_id = ANY(:event_ids::uuid[]);

-- name: list_of_organizer
-- The events of an organizer in every state, newest first; of everybody where none is named.
SELECT event_id
FROM events
WHERE
    (:organizer_id::uuid IS NULL OR organizer_id = :organizer_id)
    AND (:after::uuid IS NULL OR event_id < :after)
    AND (:state::text IS NULL OR state = :state)
ORDER BY event_id DESC
LIMIT :limit;
