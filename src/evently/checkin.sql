-- The door: what organizers allow there, and what happened.

-- name: find_settings
-- What is allowed at the door of an event; no row: the defaults.
SELECT reentry, opens_at, closes_at, gates, version
FROM check_in_settings
WHERE event_id = :event_id;

-- name: put_settings
-- Write what is allowed at the door, and return the new version. A second editor waits here.
INSERT INTO check_in_settings (event_id, reentry, opens_at, closes_at, gates, version, changed_at)
VALUES (:event_id, :reentry, :opens_at, :closes_at, :gates, 1, :now)
ON CONFLICT (event_id) DO UPDATE SET
    reentry = excluded.reentry,
    opens_at = excluded.opens_at,
    closes_at = excluded.closes_at,
    gates = excluded.gates,
    version = check_in_settings.version + 1,
    changed_at = excluded.changed_at
RETURNING version;

-- name: find_holders
-- What people at the door want to see of tickets.
SELECT
    tickets.ticket_id,
    tickets.booking_id,
    ticket_types.name AS type_name,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label,
    attendee_names.name AS attendee_name,
    people.name AS holder_name
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
INNER JOIN ticket_types
    ON ticket_types.event_id = tickets.event_id AND ticket_types.ticket_type_id = tickets.ticket_type_id
LEFT JOIN attendee_names
    ON
        attendee_names.event_id = tickets.event_id
        AND attendee_names.ticket_id = tickets.ticket_id
        AND attendee_names.buyer_id = coalesce(tickets.holder_id, bookings.buyer_id)
LEFT JOIN people
    ON people.person_id = coalesce(tickets.holder_id, bookings.buyer_id) AND people.erased_at IS NULL
WHERE tickets.event_id = :event_id AND tickets.ticket_id = ANY(:ticket_ids::uuid[]);

-- name: list_scans
-- The scans of an event, or of a ticket, the newest first. A conflict is a refused scan whose holder a device
-- without a network had admitted.
SELECT
    scan_id, ticket_id, direction, result, gate, scanned_by, scanned_at, received_at, offline, undone_at,
    undone_by, undo_reason
FROM scans
WHERE
    event_id = :event_id
    AND (:ticket_id::uuid IS NULL OR ticket_id = :ticket_id)
    AND (NOT :conflicts OR (offline AND result != 'accepted'))
    AND (:after_at::timestamptz IS NULL OR (received_at, scan_id) < (:after_at, :after_id::uuid))
ORDER BY received_at DESC, scan_id DESC
LIMIT :limit;

-- name: count_check_ins
-- How many tickets are valid, were checked in, and are inside.
SELECT
    (
        SELECT count(*)
        FROM tickets
        INNER JOIN bookings
            ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
        WHERE tickets.event_id = :event_id AND tickets.state != 'void' AND bookings.state = 'confirmed'
    ) AS valid,
    count(*) AS checked_in,
    count(*) FILTER (WHERE inside) AS inside
FROM check_ins
WHERE event_id = :event_id;
