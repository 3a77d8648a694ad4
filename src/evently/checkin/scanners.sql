-- Devices at the door of an event.

-- name: count_scanners
-- Count the scanners of an event that are in use, or can still be enrolled.
SELECT count(*)
FROM scanners
WHERE event_id = :event_id AND revoked_at IS NULL AND (enrolled_at IS NOT NULL OR expires_at > :now);

-- name: add_scanner
-- Add a scanner that no device has enrolled yet.
INSERT INTO scanners (
    scanner_id, event_id, organizer_id, name, gate, code_hash, expires_at, created_by, created_at,
    enrolled_at, api_key_id, revoked_at
)
VALUES (
    :scanner_id, :event_id, :organizer_id, :name, :gate, :code_hash, :expires_at, :created_by, :now,
    NULL, NULL, NULL
);

-- name: find_enrolment
-- Return the scanner that a code would enrol.
SELECT {scanner}
FROM scanners
WHERE code_hash = :code_hash AND enrolled_at IS NULL AND revoked_at IS NULL AND expires_at > :now;

-- name: find_organizer_of
-- Return what the key of a scanner needs, by its code.
SELECT organizer_id, event_id, name, created_by
FROM scanners
WHERE code_hash = :code_hash AND enrolled_at IS NULL AND revoked_at IS NULL AND expires_at > :now;

-- name: enrol
-- Give a scanner the key of its device. A code works once: the second device finds no row.
UPDATE scanners SET enrolled_at = :now, api_key_id = :api_key_id
WHERE
    event_id = :event_id
    AND code_hash = :code_hash
    AND enrolled_at IS NULL
    AND revoked_at IS NULL
    AND expires_at > :now
RETURNING {scanner};

-- name: list_scanners
-- The scanners of an event, newest first.
SELECT {scanners.scanner}, api_keys.last_used_at
FROM scanners
LEFT JOIN api_keys ON api_keys.api_key_id = scanners.api_key_id
WHERE scanners.event_id = :event_id AND (scanners.enrolled_at IS NOT NULL OR scanners.expires_at > :now)
ORDER BY scanners.scanner_id DESC
LIMIT :limit;

-- name: get_scanner
-- One scanner of an event.
SELECT {scanners.scanner}, api_keys.last_used_at
FROM scanners
LEFT JOIN api_keys ON api_keys.api_key_id = scanners.api_key_id
WHERE scanners.event_id = :event_id AND scanners.scanner_id = :scanner_id;

-- name: find_scanner
-- The scanner whose device has a key.
SELECT {scanner}
FROM scanners
WHERE api_key_id = :api_key_id;

-- name: revoke_scanner
-- Revoke a scanner. A second revocation keeps the time of the first.
UPDATE scanners SET revoked_at = coalesce(revoked_at, :now)
WHERE event_id = :event_id AND scanner_id = :scanner_id
RETURNING organizer_id, api_key_id;

-- name: forget_event
-- Delete the settings and devices at the door of a sandbox event.
WITH gone_settings AS (DELETE FROM check_in_settings WHERE event_id = :event_id)

DELETE FROM scanners WHERE event_id = :event_id;
