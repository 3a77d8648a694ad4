-- Search finds adjacent characters in scripts without spaces, and keeps marks that are letters. The words of
-- existing events are made again by the application, in steps, after this revision.
-- 1: a bag of characters. A constant default: no row is written.
ALTER TABLE events ADD COLUMN words_version integer NOT NULL DEFAULT 1;
-- Events whose words are of an older form; empty once they have been made again.
CREATE INDEX events_words_ix ON events (event_id) WHERE words_version < 2;
