-- The engine's few statements. Each takes the events of a batch as arrays; their number never depends on the
-- number of commands. All but the first run under the locks that the first one takes.
--
-- `routed`: on a cluster, a join with arrays is sent to every shard, unless the events are named once more.
-- One server leaves that out: right after a sale has begun, the planner knows little of the event, expects
-- few rows of it, and would read all of them instead of one for each element of the arrays.

-- name: lock_sales
-- Lock the sales of a batch. In key order, so that two batches never wait for each other in a circle; the
-- sales rows alone, without a join. On a cluster, event by event (`lock_by_event`): it refuses to lock rows
-- of several shards. The rows are the newest committed ones, because waiting for the lock reads a row again.
-- No key changes, hence FOR NO KEY UPDATE: rows that refer to a sale (the relay's figures, payments) can be
-- written meanwhile.
SELECT {sale}
FROM sales
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id
FOR NO KEY UPDATE;

-- name: find_unlocked
-- The sales that no other transaction holds locked, for a lane that has waited for one of its sales too long.
-- It runs outside the batch: the locks end with the statement.
SELECT event_id
FROM sales
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id
FOR NO KEY UPDATE SKIP LOCKED;

-- columns: placed_booking
-- The columns of a new booking; the others have their defaults.
event_id, booking_id, buyer_id, state, placed_at, expires_at, confirmed_at, conditions_version, promo_id,
entry_id, payment;

-- columns: placed_ticket
-- The columns of a new ticket besides its state.
event_id, ticket_id, booking_id, ticket_type_id, price_minor, secret, discount_minor, surcharge_minor,
fee_minor,
tax_minor, fee_tax_minor, seat_number, seat_id, seat_label, replaces;

-- name: write_batch
-- Write what almost every batch changes, in one statement (measured on one server: 1.1 to 1.5 times as fast
-- as five).
WITH heads AS (
    UPDATE sales
    SET seq = new.seq, head_hash = new.hash, head_at = new.at
    FROM unnest(:head_events::uuid[], :head_seqs::bigint[], :head_hashes::bytea[], :head_ats::timestamptz[])
        AS new (event_id, seq, hash, at)
    WHERE sales.event_id = new.event_id /* routed: AND sales.event_id = ANY(:head_events) */
),

journal_rows AS (
    INSERT INTO journal (event_id, seq, at, facts, hash)
    SELECT new.event_id, new.seq, new.at, new.facts, new.hash
    FROM unnest(
        :head_events::uuid[], :head_seqs::bigint[], :head_ats::timestamptz[], :head_facts::bytea[],
        :head_hashes::bytea[]
    ) AS new (event_id, seq, at, facts, hash)
),

counters AS (
    UPDATE pools
    SET held = new.held, sold = new.sold, set_aside = new.set_aside
    FROM unnest(
        :pool_events::uuid[], :pool_ids::uuid[], :pool_helds::integer[], :pool_solds::integer[],
        :pool_set_asides::integer[]
    ) AS new (event_id, pool_id, held, sold, set_aside)
    WHERE
        pools.event_id = new.event_id
        AND pools.pool_id = new.pool_id
        /* routed: AND pools.event_id = ANY(:pool_events) */
),

placed AS (
    INSERT INTO bookings ({placed_booking})
    SELECT {new.placed_booking}
    FROM unnest(
        :booking_events::uuid[], :booking_ids::uuid[], :booking_buyers::uuid[], :booking_states::text[],
        :booking_placed_ats::timestamptz[], :booking_expires_ats::timestamptz[],
        :booking_confirmed_ats::timestamptz[],
        :booking_conditions::integer[], :booking_promos::uuid[], :booking_entries::uuid[],
        :booking_payments::text[]
    ) AS new ({placed_booking})
),

answered AS (
    INSERT INTO idempotency_keys (
        event_id, actor_id, key, fingerprint, booking_id, entry_id, answer, replays
    )
    SELECT
        new.event_id, new.actor_id, new.key, new.fingerprint, new.booking_id, new.entry_id, new.answer, 0
    FROM unnest(
        :key_events::uuid[], :key_actors::uuid[], :keys::text[], :key_fingerprints::bytea[],
        :key_bookings::uuid[],
        :key_entries::uuid[], :key_answers::bytea[]
    ) AS new (event_id, actor_id, key, fingerprint, booking_id, entry_id, answer)
)

INSERT INTO tickets (state, {placed_ticket})
SELECT 'valid', {new.placed_ticket}
FROM unnest(
    :ticket_events::uuid[], :ticket_ids::uuid[], :ticket_bookings::uuid[], :ticket_types::uuid[],
    :ticket_prices::bigint[], :ticket_secrets::bytea[], :ticket_discounts::bigint[],
    :ticket_surcharges::bigint[],
    :ticket_fees::bigint[], :ticket_taxes::bigint[], :ticket_fee_taxes::bigint[], :ticket_seats::integer[],
    :ticket_seat_ids::text[], :ticket_seat_labels::text[], :ticket_replaces::uuid[]
) AS new ({placed_ticket});

-- name: update_bookings
-- Update bookings that were confirmed, expired, cancelled, extended, captured or refunded.
UPDATE bookings
SET
    state = new.state,
    expires_at = new.expires_at,
    confirmed_at = new.confirmed_at,
    ended_at = new.ended_at,
    extended = new.extended,
    payment = new.payment,
    payment_id = new.payment_id,
    paid_minor = new.paid_minor,
    captured_at = new.captured_at,
    refunded_minor = new.refunded_minor,
    outside_minor = new.outside_minor
FROM unnest(
    :event_ids::uuid[], :booking_ids::uuid[], :states::text[], :expires_ats::timestamptz[],
    :confirmed_ats::timestamptz[], :ended_ats::timestamptz[], :extendeds::boolean[], :payments::text[],
    :payment_ids::uuid[],
    :paids_minor::bigint[], :captured_ats::timestamptz[], :refundeds_minor::bigint[],
    :outsides_minor::bigint[]
) AS new (
    event_id, booking_id, state, expires_at, confirmed_at, ended_at, extended, payment, payment_id,
    paid_minor,
    captured_at,
    refunded_minor,
    outside_minor
)
WHERE
    bookings.event_id = new.event_id
    AND bookings.booking_id = new.booking_id
    /* routed: AND bookings.event_id = ANY(:event_ids) */;

-- name: discount_offers
-- Store the promo codes with which offers were accepted, and the amounts of their tickets.
WITH offers AS (
    UPDATE bookings
    SET promo_id = new.promo_id
    FROM unnest(:event_ids::uuid[], :booking_ids::uuid[], :promo_ids::uuid[])
        AS new (event_id, booking_id, promo_id)
    WHERE
        bookings.event_id = new.event_id
        AND bookings.booking_id = new.booking_id
        /* routed: AND bookings.event_id = ANY(:event_ids) */
)

UPDATE tickets
SET
    discount_minor = new.discount_minor,
    surcharge_minor = new.surcharge_minor,
    fee_minor = new.fee_minor,
    tax_minor = new.tax_minor,
    fee_tax_minor = new.fee_tax_minor
FROM unnest(
    :ticket_events::uuid[], :ticket_ids::uuid[], :ticket_discounts::bigint[], :ticket_surcharges::bigint[],
    :ticket_fees::bigint[], :ticket_taxes::bigint[], :ticket_fee_taxes::bigint[]
) AS new (event_id, ticket_id, discount_minor, surcharge_minor, fee_minor, tax_minor, fee_tax_minor)
WHERE
    tickets.event_id = new.event_id
    AND tickets.ticket_id = new.ticket_id
    /* routed: AND tickets.event_id = ANY(:ticket_events) */;

-- name: void_tickets
-- Void tickets that were cancelled.
UPDATE tickets
SET state = 'void', returning_since = NULL, replaces = NULL
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS voided (event_id, ticket_id)
WHERE
    tickets.event_id = voided.event_id
    AND tickets.ticket_id = voided.ticket_id
    /* routed: AND tickets.event_id = ANY(:event_ids) */;

-- name: insert_reasons
-- Insert why the organizer cancelled bookings, or tickets of them.
INSERT INTO cancellation_reasons (event_id, seq, line, booking_id, reason)
SELECT new.event_id, new.seq, new.line, new.booking_id, new.reason
FROM unnest(:event_ids::uuid[], :seqs::bigint[], :lines::integer[], :booking_ids::uuid[], :reasons::text[])
    AS new (event_id, seq, line, booking_id, reason);

-- name: use_tickets
-- Mark tickets as used, or as valid again when their check-in was undone.
UPDATE tickets
SET state = new.state
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[], :states::text[]) AS new (event_id, ticket_id, state)
WHERE
    tickets.event_id = new.event_id
    AND tickets.ticket_id = new.ticket_id
    /* routed: AND tickets.event_id = ANY(:event_ids) */;

-- name: insert_scans
-- Insert scans, in the state in which the batch leaves them: some are undone already.
INSERT INTO scans (event_id, {scan})
SELECT new.event_id, {new.scan}
FROM unnest(
    :event_ids::uuid[], :scan_ids::uuid[], :ticket_ids::uuid[], :directions::text[], :results::text[],
    :gates::text[], :scanners::uuid[], :scanned_ats::timestamptz[], :received_ats::timestamptz[],
    :offlines::boolean[], :undone_ats::timestamptz[], :undone_bys::uuid[], :undo_reasons::text[]
) AS new (event_id, {scan});

-- name: undo_scans
-- Mark scans as undone.
UPDATE scans
SET undone_at = new.undone_at, undone_by = new.undone_by, undo_reason = new.undo_reason
FROM unnest(
    :event_ids::uuid[], :scan_ids::uuid[], :undone_ats::timestamptz[], :undone_bys::uuid[],
    :undo_reasons::text[]
) AS new (event_id, scan_id, undone_at, undone_by, undo_reason)
WHERE
    scans.event_id = new.event_id
    AND scans.scan_id = new.scan_id
    /* routed: AND scans.event_id = ANY(:event_ids) */;

-- name: put_check_ins
-- Insert or update check-ins.
INSERT INTO check_ins (event_id, {check_in})
SELECT new.event_id, {new.check_in}
FROM unnest(
    :event_ids::uuid[], :ticket_ids::uuid[], :entries::integer[], :insides::boolean[], :scan_ids::uuid[],
    :checked_in_ats::timestamptz[]
) AS new (event_id, {check_in})
ON CONFLICT (event_id, ticket_id) DO UPDATE
SET entries = excluded.entries, inside = excluded.inside, scan_id = excluded.scan_id;

-- name: remove_check_ins
-- Remove check-ins that were undone.
DELETE FROM check_ins
USING unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS undone (event_id, ticket_id)
WHERE
    check_ins.event_id = undone.event_id
    AND check_ins.ticket_id = undone.ticket_id
    /* routed: AND check_ins.event_id = ANY(:event_ids) */;

-- name: update_returning
-- Mark tickets as returned to the waitlist since an instant, or (NULL) as kept.
UPDATE tickets
SET returning_since = new.since
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[], :sinces::timestamptz[])
    AS new (event_id, ticket_id, since)
WHERE
    tickets.event_id = new.event_id
    AND tickets.ticket_id = new.ticket_id
    /* routed: AND tickets.event_id = ANY(:event_ids) */;

-- name: unbind_tickets
-- Turn replacement tickets into ordinary ones: they have units and seats of their own now.
UPDATE tickets
SET replaces = NULL
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS own (event_id, ticket_id)
WHERE
    tickets.event_id = own.event_id
    AND tickets.ticket_id = own.ticket_id
    /* routed: AND tickets.event_id = ANY(:event_ids) */;

-- name: insert_transfers
-- Insert new transfers, in the state in which the batch leaves them.
INSERT INTO transfers ({transfer})
SELECT {new.transfer}
FROM unnest(
    :event_ids::uuid[], :transfer_ids::uuid[], :booking_ids::uuid[], :ticket_ids::uuid[],
    :giver_ids::uuid[], :addresses::text[], :states::text[], :offered_ats::timestamptz[],
    :expires_ats::timestamptz[], :receiver_ids::uuid[], :ended_ats::timestamptz[]
) AS new ({transfer});

-- name: end_transfers
-- Update transfers that were accepted, declined or withdrawn, or have expired.
UPDATE transfers
SET state = new.state, receiver_id = new.receiver_id, ended_at = new.ended_at
FROM unnest(
    :event_ids::uuid[], :transfer_ids::uuid[], :states::text[], :receiver_ids::uuid[],
    :ended_ats::timestamptz[]
) AS new (event_id, transfer_id, state, receiver_id, ended_at)
WHERE
    transfers.event_id = new.event_id
    AND transfers.transfer_id = new.transfer_id
    /* routed: AND transfers.event_id = ANY(:event_ids) */;

-- name: void_codes
-- Keep the secrets of codes that are void because their tickets got other ones.
INSERT INTO void_codes (event_id, ticket_id, secret, voided_at)
SELECT new.event_id, new.ticket_id, new.secret, new.voided_at
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[], :secrets::bytea[], :voided_ats::timestamptz[])
    AS new (event_id, ticket_id, secret, voided_at);

-- name: reissue_tickets
-- Give tickets another holder and another code.
UPDATE tickets
SET holder_id = new.holder_id, secret = new.secret
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[], :holder_ids::uuid[], :secrets::bytea[])
    AS new (event_id, ticket_id, holder_id, secret)
WHERE
    tickets.event_id = new.event_id
    AND tickets.ticket_id = new.ticket_id
    /* routed: AND tickets.event_id = ANY(:event_ids) */;

-- name: reseat_tickets
-- Give tickets other seats.
UPDATE tickets
SET seat_number = new.seat_number, seat_id = new.seat_id, seat_label = new.seat_label
FROM unnest(
    :event_ids::uuid[], :ticket_ids::uuid[], :seat_numbers::integer[], :seat_ids::text[],
    :seat_labels::text[]
) AS new (event_id, ticket_id, seat_number, seat_id, seat_label)
WHERE
    tickets.event_id = new.event_id
    AND tickets.ticket_id = new.ticket_id
    /* routed: AND tickets.event_id = ANY(:event_ids) */;

-- name: release_seats
-- Delete the claims of seats that were taken or blocked before the batch and have changed. Runs before
-- `claim_seats`, because another ticket may have got one of them.
DELETE FROM seat_claims
USING unnest(:event_ids::uuid[], :seat_numbers::integer[]) AS released (event_id, seat_number)
WHERE
    seat_claims.event_id = released.event_id
    AND seat_claims.seat_number = released.seat_number
    /* routed: AND seat_claims.event_id = ANY(:event_ids) */;

-- name: claim_seats
-- Claim seats for tickets, or block them, and store how many seats the zones of these events have left. If
-- the rules ever claimed a seat twice, the primary key would refuse it.
WITH counted AS (
    UPDATE event_seating
    SET available = new.available::integer[]
    FROM unnest(:counted_events::uuid[], :availables::text[]) AS new (event_id, available)
    WHERE
        event_seating.event_id = new.event_id
        /* routed: AND event_seating.event_id = ANY(:counted_events) */
)

INSERT INTO seat_claims (event_id, seat_number, ticket_id)
SELECT claimed.event_id, claimed.seat_number, claimed.ticket_id
FROM unnest(:event_ids::uuid[], :seat_numbers::integer[], :ticket_ids::uuid[])
    AS claimed (event_id, seat_number, ticket_id);

-- name: put_seat_block
-- Insert or update a block of seats with a name.
INSERT INTO seat_blocks (event_id, {seat_block}, blocked_at, seats)
VALUES (:event_id, {:seat_block}, :blocked_at, :seats)
ON CONFLICT (event_id, block_id) DO UPDATE
SET name = excluded.name, until = excluded.until, seats = excluded.seats;

-- name: remove_seat_block
-- Delete a block of seats: none of its seats is blocked any more.
DELETE FROM seat_blocks WHERE event_id = :event_id AND block_id = :block_id;

-- name: insert_entries
-- Insert new waitlist entries, in the state in which the batch leaves them: some have an offer already.
INSERT INTO waitlist_entries ({waitlist_entry})
SELECT {new.waitlist_entry}
FROM unnest(
    :event_ids::uuid[], :entry_ids::uuid[], :buyer_ids::uuid[], :ticket_type_ids::uuid[],
    :quantities::integer[],
    :states::text[], :reasons::text[], :joined_ats::timestamptz[], :joined_seqs::bigint[],
    :offered_ats::timestamptz[],
    :booking_ids::uuid[], :ended_ats::timestamptz[], :promo_ids::uuid[]
) AS new ({waitlist_entry});

-- name: update_entries
-- Update waitlist entries that got an offer, were fulfilled or withdrawn.
UPDATE waitlist_entries
SET
    state = new.state,
    reason = new.reason,
    offered_at = new.offered_at,
    booking_id = new.booking_id,
    ended_at = new.ended_at
FROM unnest(
    :event_ids::uuid[], :entry_ids::uuid[], :states::text[], :reasons::text[], :offered_ats::timestamptz[],
    :booking_ids::uuid[], :ended_ats::timestamptz[]
) AS new (event_id, entry_id, state, reason, offered_at, booking_id, ended_at)
WHERE
    waitlist_entries.event_id = new.event_id
    AND waitlist_entries.entry_id = new.entry_id
    /* routed: AND waitlist_entries.event_id = ANY(:event_ids) */;

-- name: put_set_asides
-- Store the units that are set aside for waitlists.
INSERT INTO set_asides (event_id, ticket_type_id, units)
SELECT new.event_id, new.ticket_type_id, new.units
FROM unnest(:event_ids::uuid[], :ticket_type_ids::uuid[], :units::integer[])
    AS new (event_id, ticket_type_id, units)
ON CONFLICT (event_id, ticket_type_id) DO UPDATE SET units = excluded.units;

-- name: insert_refunds
-- Insert new refunds, pending.
INSERT INTO refunds (event_id, refund_id, booking_id, amount_minor, decided_at)
SELECT new.event_id, new.refund_id, new.booking_id, new.amount_minor, new.decided_at
FROM unnest(
    :event_ids::uuid[], :refund_ids::uuid[], :booking_ids::uuid[], :amounts_minor::bigint[],
    :decided_ats::timestamptz[]
) AS new (event_id, refund_id, booking_id, amount_minor, decided_at);

-- name: settle_refunds
-- Mark refunds as settled.
UPDATE refunds
SET settled_at = done.settled_at
FROM unnest(:event_ids::uuid[], :refund_ids::uuid[], :settled_ats::timestamptz[])
    AS done (event_id, refund_id, settled_at)
WHERE
    refunds.event_id = done.event_id
    AND refunds.refund_id = done.refund_id
    /* routed: AND refunds.event_id = ANY(:event_ids) */;

-- name: insert_outside
-- Insert refunds by another hand.
INSERT INTO outside_refunds (
    event_id, refund_id, booking_id, kind, reference, amount_minor, recorded_at, reversed_at
)
SELECT
    new.event_id, new.refund_id, new.booking_id, new.kind, new.reference, new.amount_minor, new.recorded_at,
    new.reversed_at
FROM unnest(
    :event_ids::uuid[], :refund_ids::uuid[], :booking_ids::uuid[], :kinds::text[], :refs::text[],
    :amounts_minor::bigint[], :recorded_ats::timestamptz[], :reversed_ats::timestamptz[]
) AS new (event_id, refund_id, booking_id, kind, reference, amount_minor, recorded_at, reversed_at);

-- name: reverse_outside
-- Mark refunds by another hand as reversed: they failed, or the dispute was won.
UPDATE outside_refunds
SET reversed_at = gone.reversed_at
FROM unnest(:event_ids::uuid[], :refund_ids::uuid[], :reversed_ats::timestamptz[])
    AS gone (event_id, refund_id, reversed_at)
WHERE
    outside_refunds.event_id = gone.event_id
    AND outside_refunds.refund_id = gone.refund_id
    /* routed: AND outside_refunds.event_id = ANY(:event_ids) */;

-- name: insert_postings
-- Insert the ledger rows that belong to the journal rows of a batch.
INSERT INTO ledger (event_id, seq, line, at, booking_id, debit, credit, amount_minor, currency)
SELECT
    new.event_id, new.seq, new.line, new.at, new.booking_id, new.debit, new.credit, new.amount_minor,
    new.currency
FROM unnest(
    :event_ids::uuid[], :seqs::bigint[], :lines::integer[], :ats::timestamptz[], :booking_ids::uuid[],
    :debits::text[], :credits::text[], :amounts_minor::bigint[], :currencies::text[]
) AS new (event_id, seq, line, at, booking_id, debit, credit, amount_minor, currency);

-- name: put_promo
-- Insert or update a promo code with its use.
INSERT INTO promo_codes (event_id, {promo_code}, uses, spent_minor)
VALUES (:event_id, {:promo_code}, :uses, :spent_minor)
ON CONFLICT (event_id, promo_id) DO UPDATE
SET ({promo_code}, uses, spent_minor) = ROW ({excluded.promo_code}, excluded.uses, excluded.spent_minor);

-- name: count_promos
-- Update the use of promo codes.
UPDATE promo_codes
SET uses = new.uses, spent_minor = new.spent_minor
FROM unnest(:event_ids::uuid[], :promo_ids::uuid[], :uses::integer[], :spents_minor::bigint[])
    AS new (event_id, promo_id, uses, spent_minor)
WHERE
    promo_codes.event_id = new.event_id
    AND promo_codes.promo_id = new.promo_id
    /* routed: AND promo_codes.event_id = ANY(:event_ids) */;

-- name: put_conditions
-- Insert a version of the conditions.
INSERT INTO sale_conditions (event_id, version, conditions) VALUES (:event_id, :version, :conditions);

-- name: add_rescheduling
-- Insert a change of the time or place of an event.
INSERT INTO reschedulings (event_id, number, rescheduled_at, starts_before, starts_at, place_changed)
VALUES (:event_id, :number, :rescheduled_at, :starts_before, :starts_at, :place_changed);

-- name: put_seating
-- Insert or replace the seating of an event.
INSERT INTO event_seating (event_id, digest, layout, zones, zone_of, available)
VALUES (:event_id, :digest, :layout, :zones, :zone_of, :available::integer[])
ON CONFLICT (event_id) DO UPDATE
SET
    digest = excluded.digest,
    layout = excluded.layout,
    zones = excluded.zones,
    zone_of = excluded.zone_of,
    available = excluded.available;

-- name: count_replays
-- Count replays of answers. A replayed answer waits for this write: with a synchronous standby, its commit is
-- acknowledged only after the commit of the first answer was.
UPDATE idempotency_keys
SET replays = replays + 1
FROM unnest(:event_ids::uuid[], :actor_ids::uuid[], :keys::text[]) AS named (event_id, actor_id, key)
WHERE
    idempotency_keys.event_id = named.event_id
    AND idempotency_keys.actor_id = named.actor_id
    AND idempotency_keys.key = named.key
    /* routed: AND idempotency_keys.event_id = ANY(:event_ids) */;

-- name: create_sale
-- Insert the sale of a new event, before other rows refer to it.
INSERT INTO sales ({sale})
VALUES (:event_id, :state, :currency, :on_sale_at, :off_sale_at, 0, :head_hash, :head_at, :extras);

-- name: change_sale
-- Update the state and the window of a sale.
UPDATE sales
SET state = :state, on_sale_at = :on_sale_at, off_sale_at = :off_sale_at, extras = :extras
WHERE event_id = :event_id;

-- name: put_pools
-- Insert or update pools with their counters.
INSERT INTO pools (event_id, {pool})
SELECT :event_id, {new.pool}
FROM unnest(
    :pool_ids::uuid[], :names::text[], :capacities::integer[], :helds::integer[], :solds::integer[],
    :set_asides::integer[]
) AS new ({pool})
ON CONFLICT (event_id, pool_id) DO UPDATE
SET
    name = excluded.name,
    capacity = excluded.capacity,
    held = excluded.held,
    sold = excluded.sold,
    set_aside = excluded.set_aside;

-- name: remove_pools
-- Delete pools that no ticket type draws on.
DELETE FROM pools WHERE event_id = :event_id AND pool_id = ANY(:pool_ids::uuid[]);

-- name: put_ticket_type
-- Insert or update a ticket type.
INSERT INTO ticket_types (event_id, {ticket_type})
VALUES (:event_id, {:ticket_type})
ON CONFLICT (event_id, ticket_type_id) DO UPDATE
SET ({ticket_type}) = ROW ({excluded.ticket_type});
