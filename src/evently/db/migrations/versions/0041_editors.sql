-- owner: catalogue

-- Who wrote the newest version of an event: a person or an API key; NULL: it is not known.
ALTER TABLE events ADD COLUMN changed_by uuid;

-- owner: checkin

-- Conflicts at the door, of which there are few among the scans
CREATE INDEX scans_conflicts_ix ON scans (event_id) WHERE offline AND result <> 'accepted';
