-- Reads the waitlist. Decides nothing.

-- name: find_entry
-- One waitlist entry, by its id alone.
SELECT {waitlist_entry}
FROM waitlist_entries
WHERE entry_id = :entry_id;

-- name: find_code
-- The text of a promo code.
SELECT code
FROM promo_codes
WHERE event_id = :event_id AND promo_id = :promo_id;

-- name: list_offer_ends
-- When the offers of entries end, by entry; entries without an offer are left out.
SELECT entries.entry_id, bookings.expires_at
FROM unnest(:event_ids::uuid[], :entry_ids::uuid[]) AS named (event_id, entry_id)
INNER JOIN waitlist_entries AS entries
    ON entries.event_id = named.event_id AND entries.entry_id = named.entry_id
INNER JOIN bookings
    ON
        bookings.event_id = entries.event_id
        AND bookings.booking_id = entries.booking_id
        AND bookings.state = 'held'
/* routed: WHERE entries.event_id = ANY(:event_ids) AND bookings.event_id = ANY(:event_ids) */;

-- name: list_waiting
-- All waiting entries for a ticket type in the order of joining, with their quantities. Their number is
-- limited per event.
SELECT entry_id, quantity
FROM waitlist_entries
WHERE event_id = :event_id AND ticket_type_id = :ticket_type_id AND state = 'waiting'
ORDER BY joined_seq, entry_id
LIMIT :limit;

-- name: measure_offers
-- When the sale of a ticket type begins and ends, how many units of it were offered to waiting entries since
-- an instant, and when the first entry joined. Units offered within a minute of the sale's first offers were
-- not released, they were available when the sale began; so were units offered to an entry as it joined.
WITH sold AS (
    SELECT
        greatest(sales.on_sale_at, ticket_types.on_sale_at) AS on_sale_at,
        least(sales.off_sale_at, ticket_types.off_sale_at) AS off_sale_at
    FROM sales
    INNER JOIN ticket_types ON ticket_types.event_id = sales.event_id
    WHERE sales.event_id = :event_id AND ticket_types.ticket_type_id = :ticket_type_id
),

opening AS (
    SELECT min(waited.offered_at) AS served_at
    FROM waitlist_entries AS waited
    CROSS JOIN sold
    WHERE
        waited.event_id = :event_id
        AND waited.ticket_type_id = :ticket_type_id
        AND waited.joined_at < sold.on_sale_at
        AND waited.offered_at >= sold.on_sale_at
)

SELECT
    sold.on_sale_at,
    sold.off_sale_at,
    offers.units,
    offers.first_joined_at
FROM sold
CROSS JOIN (
    SELECT
        coalesce(
            sum(entries.quantity) FILTER (
                WHERE
                    entries.offered_at >= :since::timestamptz
                    AND entries.offered_at > entries.joined_at
                    AND (
                        opening.served_at IS NULL
                        OR entries.offered_at > opening.served_at + interval '1 minute'
                    )
            ),
            0
        )::bigint AS units,
        min(entries.joined_at) AS first_joined_at
    FROM waitlist_entries AS entries
    CROSS JOIN opening
    WHERE entries.event_id = :event_id AND entries.ticket_type_id = :ticket_type_id
) AS offers;

-- name: list_live_entries_of
-- A buyer's live entries of an event, for leaving them.
SELECT {waitlist_entry}
FROM waitlist_entries
WHERE
    event_id = :event_id
    AND buyer_id = :buyer_id
    AND state IN ('waiting', 'offered')
    AND (:ticket_type_id::uuid IS NULL OR ticket_type_id = :ticket_type_id)
ORDER BY joined_seq, entry_id
LIMIT :limit;

-- name: list_entries_of_buyer
-- A buyer's waitlist entries, newest first: ids are in the order of time.
SELECT {waitlist_entry}
FROM waitlist_entries
WHERE
    buyer_id = :buyer_id
    AND (:after::uuid IS NULL OR entry_id < :after)
    AND (NOT :live::boolean OR state IN ('waiting', 'offered'))
ORDER BY entry_id DESC
LIMIT :limit;

-- name: list_waitlist
-- The entries that wait or have an offer at an event, in the order of joining.
SELECT {waitlist_entry}
FROM waitlist_entries
WHERE
    event_id = :event_id
    AND state IN ('waiting', 'offered')
    AND (:ticket_type_id::uuid IS NULL OR ticket_type_id = :ticket_type_id)
    AND (:after_seq::bigint IS NULL OR (joined_seq, entry_id) > (:after_seq, :after_id::uuid))
ORDER BY joined_seq, entry_id
LIMIT :limit;

-- name: list_waitlists
-- The waitlist in numbers, for each ticket type that ever had an entry.
SELECT
    entries.ticket_type_id,
    count(*) FILTER (WHERE entries.state = 'waiting') AS waiting_entries,
    coalesce(sum(entries.quantity) FILTER (WHERE entries.state = 'waiting'), 0)::bigint AS waiting_units,
    count(*) FILTER (WHERE entries.state = 'offered') AS offered_entries,
    coalesce(sum(entries.quantity) FILTER (WHERE entries.state = 'offered'), 0)::bigint AS offered_units,
    count(*) FILTER (WHERE entries.state = 'fulfilled') AS fulfilled_entries,
    count(*) FILTER (WHERE entries.state = 'withdrawn') AS withdrawn_entries,
    coalesce(max(set_asides.units), 0) AS set_aside_units
FROM waitlist_entries AS entries
LEFT JOIN set_asides
    ON set_asides.event_id = entries.event_id AND set_asides.ticket_type_id = entries.ticket_type_id
WHERE entries.event_id = :event_id
GROUP BY entries.ticket_type_id
ORDER BY entries.ticket_type_id;

-- name: list_events_to_serve
-- Events with waiting entries for a ticket type whose sale began after an instant, and without a journal row
-- since; without an instant, all events with waiting entries for a ticket type on sale. `extras` skips events
-- that never had a waitlist.
SELECT DISTINCT sales.event_id
FROM sales
INNER JOIN ticket_types ON ticket_types.event_id = sales.event_id
WHERE
    sales.extras & :has_waitlist::integer != 0
    AND sales.state = 'open'
    AND (:after::uuid IS NULL OR sales.event_id > :after)
    AND greatest(sales.on_sale_at, ticket_types.on_sale_at) <= :now
    AND least(sales.off_sale_at, ticket_types.off_sale_at) > :now
    AND (
        :since::timestamptz IS NULL
        OR (
            greatest(sales.on_sale_at, ticket_types.on_sale_at) > :since
            AND greatest(sales.on_sale_at, ticket_types.on_sale_at) > sales.head_at
        )
    )
    AND EXISTS (
        SELECT 1
        FROM waitlist_entries
        WHERE
            waitlist_entries.event_id = ticket_types.event_id
            AND waitlist_entries.ticket_type_id = ticket_types.ticket_type_id
            AND waitlist_entries.state = 'waiting'
    )
ORDER BY sales.event_id
LIMIT :limit;
