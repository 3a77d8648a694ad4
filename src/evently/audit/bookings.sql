-- The rows of bookings, to compare with a replay of the journal.

-- name: read_bookings
-- The bookings of an event, one row for each ticket, and one row for a booking without tickets.
SELECT
    bookings.booking_id, bookings.buyer_id, bookings.state, bookings.placed_at, bookings.expires_at,
    bookings.confirmed_at, bookings.ended_at, bookings.conditions_version, bookings.promo_id,
    bookings.entry_id, bookings.extended, bookings.payment, bookings.payment_id, bookings.paid_minor,
    bookings.captured_at, bookings.refunded_minor, bookings.outside_minor, tickets.ticket_id,
    tickets.ticket_type_id,
    tickets.price_minor,
    tickets.state = 'void' AS void, tickets.discount_minor, tickets.surcharge_minor, tickets.fee_minor,
    tickets.tax_minor, tickets.fee_tax_minor, tickets.seat_number, tickets.replaces,
    tickets.returning_since, tickets.seat_id, tickets.seat_label, tickets.holder_id
FROM bookings
LEFT JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
WHERE bookings.event_id = :event_id
ORDER BY bookings.booking_id;

-- name: read_ledger
-- The postings of an event; money.sql checks their line numbers.
SELECT ledger.booking_id, ledger.seq, ledger.debit, ledger.credit, ledger.amount_minor
FROM ledger
WHERE ledger.event_id = :event_id;

-- name: read_answers
-- The answers to requests with an idempotency key.
SELECT idempotency_keys.key, idempotency_keys.booking_id, idempotency_keys.entry_id, idempotency_keys.answer
FROM idempotency_keys
WHERE idempotency_keys.event_id = :event_id;
