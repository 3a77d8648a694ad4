-- Lists of events read `list_public_types` (sales/reads/on_sale.sql) instead of this view. Only lists used
-- it; a process of the previous version cannot serve them after this revision.
-- squawk-ignore ban-drop-view
DROP VIEW open_ticket_types;
