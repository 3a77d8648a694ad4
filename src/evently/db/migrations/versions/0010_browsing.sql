-- What lists show of a sale is answered in one place: `list_public_types` in sales/reads/on_sale.sql.
-- The view was read by lists of events alone, which a process of the version before this one cannot serve.
-- squawk-ignore ban-drop-view
DROP VIEW open_ticket_types;
