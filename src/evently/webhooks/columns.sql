-- Lists of columns that several statements use.

-- columns: webhook
webhook_id, organizer_id, address, description, kinds, personal_data, version, created_by, created_at,
paused_at, paused_because, failures;

-- columns: pending
delivery_id, about_event_id, kind, body, booking_id, person_id, created_at, attempts, tries, failing_since;
