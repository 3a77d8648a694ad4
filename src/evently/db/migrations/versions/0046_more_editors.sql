-- owner: catalogue

-- When a venue was changed last, and by whom: a person or an API key; NULL: it is not known.
ALTER TABLE venues ADD COLUMN changed_at timestamptz, ADD COLUMN changed_by uuid;

-- owner: checkin

-- Who changed what is allowed at a door last; NULL: it is not known.
ALTER TABLE check_in_settings ADD COLUMN changed_by uuid;

-- owner: questions

-- Who changed a question last; NULL: it is not known, or nobody has.
ALTER TABLE questions ADD COLUMN changed_by uuid;
