-- The rows of an event, to compare with a replay of its journal. The first column of each statement is the
-- row's key; the others are compared.

-- name: list_sales
-- The sales to replay, with the last journal row that the roll-ups have counted. Journal rows from before
-- `old_at` must have been delivered.
SELECT
    sales.event_id,
    sales.state,
    sales.currency,
    sales.on_sale_at,
    sales.off_sale_at,
    sales.extras,
    sales.seq,
    sales.head_hash,
    sales.head_at,
    coalesce(event_totals.seq, 0) AS counted_seq,
    coalesce(event_totals.bookings, 0) AS bookings,
    coalesce(event_totals.tickets, 0) AS tickets,
    coalesce(event_totals.amount_minor, 0) AS amount_minor,
    coalesce(event_totals.cancelled_bookings, 0) AS cancelled_bookings,
    coalesce(event_totals.cancelled_tickets, 0) AS cancelled_tickets,
    coalesce(event_totals.cancelled_minor, 0) AS cancelled_minor,
    coalesce(stored.bookings, 0) AS bookings_stored,
    now() - :delivered_within::interval AS old_at
FROM sales
LEFT JOIN event_totals ON event_totals.event_id = sales.event_id
LEFT JOIN (
    SELECT bookings.event_id, count(*) AS bookings
    FROM bookings
    WHERE :event_id::uuid IS NULL OR bookings.event_id = :event_id
    GROUP BY bookings.event_id
) AS stored ON stored.event_id = sales.event_id
WHERE :event_id::uuid IS NULL OR sales.event_id = :event_id
ORDER BY sales.event_id;

-- name: read_waiting_room
-- The waiting room of an event.
SELECT
    waiting_rooms.opens_at,
    waiting_rooms.draws_at,
    encode(waiting_rooms.seed_hash, 'hex') AS seed_hash,
    waiting_rooms.public_source,
    waiting_rooms.closed_at,
    waiting_rooms.listed AS entries,
    encode(waiting_rooms.list_hash, 'hex') AS list_hash,
    CASE WHEN waiting_rooms.drawn_at IS NOT NULL THEN encode(waiting_rooms.seed, 'hex') END AS seed,
    waiting_rooms.public_value,
    waiting_rooms.drawn_at
FROM waiting_rooms
WHERE waiting_rooms.event_id = :event_id;

-- name: read_pools
-- The pools of an event.
SELECT pools.pool_id, pools.name, pools.capacity, pools.held, pools.sold, pools.set_aside
FROM pools
WHERE pools.event_id = :event_id;

-- columns: ticket_type_put
-- The fields of the fact `TicketTypePut`.
ticket_type_id, name, price_minor, per_booking_max, per_buyer_max, on_sale_at, off_sale_at, pool_ids, zone,
tax_basis_points, tax_included, hidden, needed_ids, per_needed_max;

-- name: read_ticket_types
-- The ticket types of an event, with the columns that the journal records.
SELECT {ticket_types.ticket_type_put}, ticket_types.retired
FROM ticket_types
WHERE ticket_types.event_id = :event_id;

-- name: read_claims
-- The claimed seats of an event: taken by a ticket, or blocked.
SELECT seat_claims.seat_number, seat_claims.ticket_id
FROM seat_claims
WHERE seat_claims.event_id = :event_id;

-- name: read_seat_blocks
-- The blocks of seats of an event that have a name.
SELECT seat_blocks.block_id, seat_blocks.name, seat_blocks.until, seat_blocks.blocked_at, seat_blocks.seats
FROM seat_blocks
WHERE seat_blocks.event_id = :event_id;

-- name: read_entries
-- The waitlist of an event.
SELECT
    waitlist_entries.entry_id, waitlist_entries.buyer_id, waitlist_entries.ticket_type_id,
    waitlist_entries.quantity, waitlist_entries.joined_at,
    waitlist_entries.joined_seq, waitlist_entries.state, waitlist_entries.reason, waitlist_entries.offered_at,
    waitlist_entries.booking_id,
    waitlist_entries.ended_at,
    waitlist_entries.promo_id
FROM waitlist_entries
WHERE waitlist_entries.event_id = :event_id;

-- name: read_check_ins
-- The tickets of an event that are used.
SELECT
    check_ins.ticket_id, check_ins.entries, check_ins.inside, check_ins.scan_id, check_ins.checked_in_at
FROM check_ins
WHERE check_ins.event_id = :event_id;

-- name: read_accepted
-- The scans of an event that were accepted.
SELECT scans.scan_id, scans.ticket_id, scans.direction, scans.received_at, scans.undone_at
FROM scans
WHERE scans.event_id = :event_id AND scans.result = 'accepted';

-- name: read_set_asides
-- The units of an event that are set aside for waitlist entries, by ticket type.
SELECT set_asides.ticket_type_id, set_asides.units
FROM set_asides
WHERE set_asides.event_id = :event_id;

-- name: read_promos
-- The promo codes of an event, with their uses.
SELECT
    promo_codes.promo_id, promo_codes.code, promo_codes.kind, promo_codes.value, promo_codes.ticket_type_ids,
    promo_codes.uses_max,
    promo_codes.per_buyer_max, promo_codes.budget_minor, promo_codes.from_at, promo_codes.until_at,
    promo_codes.retired, promo_codes.units_per_use_max, promo_codes.uses,
    promo_codes.spent_minor
FROM promo_codes
WHERE promo_codes.event_id = :event_id;

-- name: read_refunds
-- The refunds of an event, as the sale records them.
SELECT refunds.refund_id, refunds.booking_id, refunds.amount_minor, refunds.decided_at, refunds.settled_at
FROM refunds
WHERE refunds.event_id = :event_id;

-- name: read_outside
-- The refunds of an event by another hand.
SELECT
    outside_refunds.refund_id, outside_refunds.booking_id, outside_refunds.kind, outside_refunds.reference,
    outside_refunds.amount_minor, outside_refunds.recorded_at, outside_refunds.reversed_at
FROM outside_refunds
WHERE outside_refunds.event_id = :event_id;

-- name: read_transfers
-- The tickets of an event that were offered to other persons.
SELECT
    transfers.transfer_id, transfers.booking_id, transfers.ticket_id, transfers.giver_id, transfers.state,
    transfers.offered_at, transfers.expires_at, transfers.receiver_id, transfers.ended_at
FROM transfers
WHERE transfers.event_id = :event_id;

-- name: read_void_codes
-- The codes of an event that are void because their tickets got other ones: the digests of their secrets.
SELECT
    void_codes.ticket_id::text || ' ' || encode(sha256(void_codes.secret), 'hex') AS code,
    void_codes.voided_at
FROM void_codes
WHERE void_codes.event_id = :event_id;

-- name: read_codes
-- The digests of the secrets of tickets whose code was changed.
SELECT tickets.ticket_id, sha256(tickets.secret) AS digest
FROM tickets
WHERE
    tickets.event_id = :event_id
    AND EXISTS (
        SELECT 1 FROM void_codes
        WHERE void_codes.event_id = tickets.event_id AND void_codes.ticket_id = tickets.ticket_id
    );

-- name: read_reasons
-- Why the organizer cancelled bookings and tickets, by the place of the fact in the journal.
SELECT
    format('%s.%s', cancellation_reasons.seq, cancellation_reasons.line) AS place,
    cancellation_reasons.booking_id,
    cancellation_reasons.reason
FROM cancellation_reasons
WHERE cancellation_reasons.event_id = :event_id;

-- name: find_event_reason
-- Why the organizer cancelled an event.
SELECT events.cancellation_reason FROM events WHERE events.event_id = :event_id;

-- name: read_settled
-- How the refunds of an event were settled, by the checkout, in the words of the journal, and the reason that
-- a person gave.
SELECT
    payment_refunds.refund_id,
    CASE
        WHEN payment_refunds.state = 'never_paid' THEN 'never_paid'
        WHEN payment_refunds.failure_code = 'settled-by-hand' THEN 'by_hand'
        ELSE 'gateway'
    END AS how,
    CASE
        WHEN payment_refunds.failure_code = 'settled-by-hand' THEN payment_refunds.failure_message
    END AS reason
FROM payment_refunds
WHERE payment_refunds.event_id = :event_id AND payment_refunds.state IN ('settled', 'never_paid');

-- name: read_reschedulings
-- The changes of the time or place of an event, in their order.
SELECT
    reschedulings.number, reschedulings.rescheduled_at, reschedulings.starts_before, reschedulings.starts_at,
    reschedulings.place_changed
FROM reschedulings
WHERE reschedulings.event_id = :event_id
ORDER BY reschedulings.number;

-- name: read_conditions
-- The conditions of an event, by version.
SELECT sale_conditions.version, sale_conditions.conditions
FROM sale_conditions
WHERE sale_conditions.event_id = :event_id;

-- name: read_seating
-- The seats and zones of an event.
SELECT
    event_seating.digest, event_seating.zones, event_seating.zone_of, event_seating.layout,
    event_seating.available
FROM event_seating
WHERE event_seating.event_id = :event_id;
