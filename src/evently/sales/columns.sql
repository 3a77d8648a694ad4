-- The columns of the rows that become structs, in the order of the struct's fields. Statements of this domain
-- include a list as {ticket} or, with an alias, as {tickets.ticket}.

-- columns: sale
-- The first fields of `rules.state.Sale`; the rest of a sale is loaded from other tables.
event_id, state, currency, on_sale_at, off_sale_at, seq, head_hash, head_at, extras;

-- columns: pool
pool_id, name, capacity, held, sold, set_aside;

-- columns: ticket_type
ticket_type_id, name, description, position, price_minor, per_booking_max, pool_ids, per_buyer_max,
on_sale_at,
off_sale_at, retired, zone, tax_basis_points, tax_included, hidden, needed_ids,
per_needed_max;

-- columns: promo_code
promo_id, code, kind, value, ticket_type_ids, uses_max, per_buyer_max, budget_minor, from_at, until_at,
retired, units_per_use_max;

-- columns: booking
-- `Booking` without its currency (the sale's) and its tickets (rows of their own).
event_id, booking_id, buyer_id, state, placed_at, expires_at, confirmed_at, ended_at, conditions_version,
promo_id,
entry_id, extended, payment, payment_id, paid_minor, captured_at, refunded_minor, outside_minor;

-- columns: ticket
ticket_id, ticket_type_id, price_minor, state, secret, discount_minor, surcharge_minor, fee_minor, tax_minor,
fee_tax_minor, seat_number, seat_id, seat_label, replaces, returning_since, holder_id;

-- columns: seat_block
block_id, name, until;

-- columns: waitlist_entry
event_id, entry_id, buyer_id, ticket_type_id, quantity, state, reason, joined_at, joined_seq, offered_at,
booking_id,
ended_at, promo_id;

-- columns: refund
refund_id, booking_id, amount_minor, decided_at, settled_at;

-- columns: transfer
event_id, transfer_id, booking_id, ticket_id, giver_id, address, state, offered_at, expires_at, receiver_id,
ended_at;

-- columns: scan
scan_id, ticket_id, direction, result, gate, scanned_by, scanned_at, received_at, offline, undone_at,
undone_by, undo_reason;

-- columns: check_in
ticket_id, entries, inside, scan_id, checked_in_at;
