-- owner: accounts

-- The link of a code may also undo a change of the address. It is sent to the old one.
ALTER TABLE email_codes
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT email_codes_purpose_ck,
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT email_codes_person_ck,
ADD CONSTRAINT email_codes_purpose_ck CHECK (
    purpose IN ('sign_in', 'new_password', 'new_email', 'old_email')
) NOT VALID,
ADD CONSTRAINT email_codes_person_ck CHECK (
    (purpose IN ('new_email', 'old_email')) = (person_id IS NOT NULL)
) NOT VALID;
-- The changes of a person that can be undone
CREATE INDEX email_codes_person_ix ON email_codes (person_id) WHERE purpose = 'old_email';
CREATE INDEX email_codes_old_ix ON email_codes (email) WHERE purpose = 'old_email'; -- is it reserved?
