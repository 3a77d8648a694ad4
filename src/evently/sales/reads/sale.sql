-- The sale of an event as the database has it.

-- name: read_sale
-- The sale of an event.
SELECT event_id, state, currency, on_sale_at, off_sale_at, seq, head_hash, head_at, extras
FROM sales
WHERE event_id = :event_id;
