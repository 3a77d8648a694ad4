-- The columns of the rows that become structs, in the order of the struct's fields.

-- columns: room
event_id, opens_at, draws_at, per_minute, public_source, seed, seed_hash, entries, closed_at, listed,
list_hash, drawn_at, public_value, version;

-- columns: entry
event_id, entry_id, person_id, entered_at, late_number, admitted_at, position;
