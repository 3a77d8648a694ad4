-- Reads the sale of an event.

-- name: read_sale
-- The row of a sale.
SELECT {sale}
FROM sales
WHERE event_id = :event_id;
