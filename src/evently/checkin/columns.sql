-- The columns of the rows that become structs, in the order of the struct's fields.

-- columns: scanner
scanner_id, event_id, name, gate, created_by, created_at, expires_at, enrolled_at, revoked_at;

-- columns: scan
scan_id, ticket_id, direction, result, gate, scanned_by, scanned_at, received_at, offline, undone_at,
undone_by, undo_reason;
