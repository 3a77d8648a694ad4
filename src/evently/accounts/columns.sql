-- The columns of the rows that become structs, in the order of the struct's fields.

-- columns: person
person_id, email, name, role, version, created_at, erased_at, email_verified_at, locked_at;

-- columns: email_code
code_id, purpose, email, name, wrong_tries, expires_at, used_at, session_id, person_id;

-- columns: organizer
organizer_id, name, contact_email, version, created_at;

-- columns: invitation
invitation_id, organizer_id, email, role, invited_by, created_at, expires_at;

-- columns: api_key
api_key_id, organizer_id, name, hint, scopes, created_by, created_at, last_used_at, revoked_at,
only_event_id;

-- columns: passkey
passkey_id, person_id, credential_id, name, transports, synced, created_at, last_used_at, copied_at;
