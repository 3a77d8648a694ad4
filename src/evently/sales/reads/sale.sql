-- The sale of an event as the database has it.

-- name: read_sale
-- The sale of an event.
SELECT {sale}
FROM sales
WHERE event_id = :event_id;
