-- What the relay stores.

-- name: list_for_events
-- The webhooks that get the facts of these events, and what their messages need of each event. Paused ones
-- are among them: their deliveries wait. Nothing of a rehearsal is sent.
SELECT events.event_id, events.currency, events.published_at, webhooks.webhook_id, webhooks.kinds
FROM events
INNER JOIN webhooks ON webhooks.organizer_id = events.organizer_id AND webhooks.removed_at IS NULL
WHERE events.event_id = ANY(:event_ids::uuid[]) AND NOT events.sandbox
ORDER BY events.event_id, webhooks.webhook_id;

-- name: sum_bookings
-- What the tickets of these bookings cost when they were booked.
SELECT
    tickets.booking_id,
    sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor)::bigint AS total_minor
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS named (event_id, booking_id)
INNER JOIN tickets ON tickets.event_id = named.event_id AND tickets.booking_id = named.booking_id
/* routed: WHERE tickets.event_id = ANY(:event_ids) */
GROUP BY tickets.booking_id;

-- name: list_passed_on
-- The tickets of transfers.
SELECT transfer_id, ticket_id
FROM transfers
WHERE transfer_id = ANY(:transfer_ids::uuid[]);

-- name: add
-- Store deliveries, at most one for each fact and webhook.
INSERT INTO webhook_deliveries (
    delivery_id, webhook_id, about_event_id, seq, line, kind, body, booking_id, person_id, state, created_at,
    due_at, attempts, tries
)
SELECT
    new.delivery_id, new.webhook_id, new.event_id, new.seq, new.line, new.kind, new.body, new.booking_id,
    new.person_id, 'pending', new.at, new.at, 0, 0
FROM unnest(
    :ids::uuid[], :webhook_ids::uuid[], :event_ids::uuid[], :seqs::bigint[], :lines::integer[],
    :kinds::text[], :bodies::text[], :booking_ids::uuid[], :person_ids::uuid[], :ats::timestamptz[]
) AS new (delivery_id, webhook_id, event_id, seq, line, kind, body, booking_id, person_id, at)
ON CONFLICT DO NOTHING;
