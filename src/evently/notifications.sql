-- What people are told.

-- name: add
-- Tell people what has happened: at most once for each place in the journal, about no rehearsal, and nobody who is erased. Whose booking or
-- waitlist entry it is, is looked up where the fact does not say it.
INSERT INTO notifications (event_id, seq, line, notification_id, person_id, kind, booking_id, entry_id, refund_id, created_at)
SELECT
    new.event_id,
    new.seq,
    new.line,
    new.notification_id,
    coalesce(new.person_id, bookings.buyer_id, entries.buyer_id),
    new.kind,
    coalesce(new.booking_id, entries.booking_id),
    new.entry_id,
    new.refund_id,
    new.at
FROM unnest(
    :event_ids::uuid[], :seqs::bigint[], :lines::integer[], :ids::uuid[], :person_ids::uuid[], :kinds::text[], :booking_ids::uuid[],
    :entry_ids::uuid[], :refund_ids::uuid[], :ats::timestamptz[]
) AS new (event_id, seq, line, notification_id, person_id, kind, booking_id, entry_id, refund_id, at)
INNER JOIN events ON events.event_id = new.event_id AND NOT events.sandbox
LEFT JOIN bookings ON new.person_id IS NULL AND bookings.event_id = new.event_id AND bookings.booking_id = new.booking_id
LEFT JOIN waitlist_entries AS entries ON entries.event_id = new.event_id AND entries.entry_id = new.entry_id
LEFT JOIN people ON people.person_id = coalesce(new.person_id, bookings.buyer_id, entries.buyer_id)
WHERE coalesce(new.person_id, bookings.buyer_id, entries.buyer_id) IS NOT NULL AND people.erased_at IS NULL
ON CONFLICT DO NOTHING;

-- name: list_of_person
-- A person's notifications, newest first: ids are in the order of time.
SELECT notification_id, event_id, kind, booking_id, entry_id, refund_id, created_at, read_at
FROM notifications
WHERE
    person_id = :person_id
    AND (:after::uuid IS NULL OR notification_id < :after)
    AND (NOT :unread::boolean OR read_at IS NULL)
ORDER BY notification_id DESC
LIMIT :limit;

-- name: mark_read
-- Note that a person has read a notification; the first time counts.
UPDATE notifications
SET read_at = coalesce(read_at, :now)
WHERE person_id = :person_id AND notification_id = :notification_id
RETURNING notification_id, event_id, kind, booking_id, entry_id, refund_id, created_at, read_at;

-- name: forget_person
-- Erase what a person was told.
DELETE FROM notifications WHERE person_id = :person_id;

-- name: forget_old
-- Erase some of what is too old to matter, oldest first.
DELETE FROM notifications
USING (
    SELECT old.event_id, old.seq, old.line
    FROM notifications AS old
    WHERE old.created_at < :before
    ORDER BY old.created_at
    LIMIT :limit
) AS gone
WHERE notifications.event_id = gone.event_id AND notifications.seq = gone.seq AND notifications.line = gone.line;
