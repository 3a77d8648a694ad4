-- Reads the sale of an event.

-- name: read_sale
-- The row of a sale.
SELECT {sale}
FROM sales
WHERE event_id = :event_id;

-- name: list_heads
-- The heads of the journals of the events that a process watches, every quarter of a second: one row by its
-- key for each.
SELECT event_id, seq, head_hash, state, extras
FROM sales
WHERE event_id = ANY(:event_ids::uuid[]);
