-- A cluster can only have unique indexes that contain the event. These three begin with the same columns as
-- before, so what they find stays as fast; ids, codes and keys are random, so none is there twice.

-- owner: notifications

-- A person's notifications, newest first; and a single one. Writers are the relay and the schedule: they wait
-- until the index of the last year is built, a second or so for each million.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX notifications_person_uq;
CREATE UNIQUE INDEX notifications_person_uq ON notifications (person_id, notification_id, event_id);

-- owner: checkin

-- Enrol by a code.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX scanners_code_hash_uq;
CREATE UNIQUE INDEX scanners_code_hash_uq ON scanners (code_hash, event_id);

-- The scanner of a key.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX scanners_key_uq;
CREATE UNIQUE INDEX scanners_key_uq ON scanners (api_key_id, event_id) WHERE api_key_id IS NOT NULL;
