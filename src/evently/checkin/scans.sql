-- The door: what organizers allow there, and what happened.

-- name: find_settings
-- What is allowed at the door of an event; no row: the defaults.
SELECT reentry, opens_at, closes_at, gates, names_offline, version
FROM check_in_settings
WHERE event_id = :event_id;

-- name: put_settings
-- Write what is allowed at the door, and return the new version. A second editor waits here.
INSERT INTO check_in_settings (
    event_id, reentry, opens_at, closes_at, gates, names_offline, version, changed_at, changed_by
)
VALUES (:event_id, :reentry, :opens_at, :closes_at, :gates, :names_offline, 1, :now, :editor_id)
ON CONFLICT (event_id) DO UPDATE SET
    reentry = excluded.reentry,
    opens_at = excluded.opens_at,
    closes_at = excluded.closes_at,
    gates = excluded.gates,
    names_offline = excluded.names_offline,
    version = check_in_settings.version + 1,
    changed_at = excluded.changed_at,
    changed_by = excluded.changed_by
RETURNING version;

-- name: find_last_edit
-- Who changed what is allowed at a door last, and when; NULL: it is not known.
SELECT changed_by, changed_at FROM check_in_settings WHERE event_id = :event_id;

-- name: find_holders
-- What people at the door want to see of tickets.
SELECT
    tickets.event_id,
    tickets.ticket_id,
    tickets.booking_id,
    ticket_types.name AS type_name,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label,
    attendee_names.name AS attendee_name,
    people.name AS holder_name
FROM unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS named (event_id, ticket_id)
INNER JOIN tickets ON tickets.event_id = named.event_id AND tickets.ticket_id = named.ticket_id
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
/* routed: WHERE
    tickets.event_id = ANY(:event_ids)
    AND bookings.event_id = ANY(:event_ids)
    AND ticket_types.event_id = ANY(:event_ids) */;

-- name: find_void_codes
-- Why codes are void, and the seats of their tickets now. A code was passed on in the instant in which a
-- transfer was accepted; without any transfer before, only another seat changes a code.
SELECT
    void_codes.ticket_id,
    void_codes.secret,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label,
    CASE
        WHEN accepted.passed_then THEN 'passed_on'
        WHEN accepted.passed_before THEN 'changed'
        ELSE 'moved'
    END AS why
FROM (
    SELECT DISTINCT scanned.ticket_id, scanned.secret
    FROM unnest(:ticket_ids::uuid[], :secrets::bytea[]) AS scanned (ticket_id, secret)
) AS named
INNER JOIN void_codes
    ON
        void_codes.event_id = :event_id
        AND void_codes.ticket_id = named.ticket_id
        AND void_codes.secret = named.secret
INNER JOIN tickets ON tickets.event_id = void_codes.event_id AND tickets.ticket_id = void_codes.ticket_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(bool_or(transfers.ended_at = void_codes.voided_at), FALSE) AS passed_then,
        coalesce(bool_or(transfers.ended_at < void_codes.voided_at), FALSE) AS passed_before
    FROM transfers
    WHERE
        transfers.event_id = :event_id
        AND transfers.ticket_id = void_codes.ticket_id
        AND transfers.state = 'accepted'
) AS accepted;

-- name: list_scans
-- The scans of an event, or of a ticket, the newest first. A conflict is a refused scan whose holder a device
-- without a network had admitted. Each refused scan has the accepted scan of its ticket before it.
SELECT {scans.scan}, {accepted.scan}
FROM scans
LEFT JOIN LATERAL (
    SELECT {earlier.scan}
    FROM scans AS earlier
    WHERE
        scans.result != 'accepted'
        AND earlier.event_id = :event_id
        AND earlier.ticket_id = scans.ticket_id
        AND earlier.result = 'accepted'
        AND earlier.received_at <= scans.received_at
    ORDER BY earlier.received_at DESC, earlier.scan_id DESC
    LIMIT 1
) AS accepted ON TRUE
WHERE
    scans.event_id = :event_id
    AND (:ticket_id::uuid IS NULL OR scans.ticket_id = :ticket_id)
    AND (NOT :conflicts OR (scans.offline AND scans.result != 'accepted'))
    AND (:after_at::timestamptz IS NULL OR (scans.received_at, scans.scan_id) < (:after_at, :after_id::uuid))
ORDER BY scans.received_at DESC, scans.scan_id DESC
LIMIT :limit;

-- name: list_own_scans
-- The check-ins that a person or a device made, the newest first, among the newest scans of an event. Only
-- the last scan of a ticket can be undone.
SELECT {latest.scan}, coalesce(check_ins.scan_id = latest.scan_id, FALSE) AS is_last
FROM (
    SELECT {scan}
    FROM scans
    WHERE event_id = :event_id
    ORDER BY received_at DESC, scan_id DESC
    LIMIT :looked_at
) AS latest
LEFT JOIN check_ins ON check_ins.event_id = :event_id AND check_ins.ticket_id = latest.ticket_id
WHERE latest.scanned_by = :scanned_by AND latest.result = 'accepted' AND latest.direction = 'in'
ORDER BY latest.received_at DESC, latest.scan_id DESC
LIMIT :limit;

-- name: find_check_ins
-- The last accepted scans of some tickets.
SELECT {scans.scan}
FROM check_ins
INNER JOIN scans ON scans.event_id = check_ins.event_id AND scans.scan_id = check_ins.scan_id
WHERE check_ins.event_id = :event_id AND check_ins.ticket_id = ANY(:ticket_ids::uuid[]);

-- name: list_undone
-- Why check-ins were undone, and by whom, for some scans.
SELECT scan_id, undone_by, undo_reason
FROM scans
WHERE event_id = :event_id AND scan_id = ANY(:scan_ids::uuid[]) AND undone_at IS NOT NULL;

-- name: find_scanned_by
-- The names of people and of devices that scanned.
SELECT person_id AS id, name
FROM people
WHERE person_id = ANY(:ids::uuid[]) AND erased_at IS NULL

UNION ALL

SELECT api_key_id AS id, name
FROM api_keys
WHERE api_key_id = ANY(:ids::uuid[]);

-- name: find_secrets
-- The codes of tickets that a person at the door has found by a name.
SELECT ticket_id, secret
FROM tickets
WHERE event_id = :event_id AND ticket_id = ANY(:ticket_ids::uuid[]);

-- name: find_tickets
-- Tickets whose names or seats contain some words, or whose booking has a reference; by name.
SELECT tickets.ticket_id, check_ins.inside, check_ins.scan_id
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
LEFT JOIN check_ins ON check_ins.event_id = tickets.event_id AND check_ins.ticket_id = tickets.ticket_id
LEFT JOIN attendee_names
    ON
        attendee_names.event_id = tickets.event_id
        AND attendee_names.ticket_id = tickets.ticket_id
        AND attendee_names.buyer_id = coalesce(tickets.holder_id, bookings.buyer_id)
LEFT JOIN people
    ON people.person_id = coalesce(tickets.holder_id, bookings.buyer_id) AND people.erased_at IS NULL
WHERE
    tickets.event_id = :event_id
    AND tickets.state != 'void'
    AND bookings.state = 'confirmed'
    AND (
        attendee_names.name ILIKE :pattern
        OR people.name ILIKE :pattern
        OR coalesce(tickets.seat_label, tickets.seat_id) ILIKE :pattern
        OR substr(uuid_send(tickets.booking_id), 12) = :ending::bytea
    )
ORDER BY coalesce(attendee_names.name, people.name), tickets.ticket_id
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
