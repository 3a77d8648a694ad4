-- What messages say.

-- name: list_type_names
-- The names of an event's ticket types, retired ones included.
SELECT ticket_type_id, name
FROM ticket_types
WHERE event_id = :event_id;
