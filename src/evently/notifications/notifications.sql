-- Notifications to people.

-- columns: notification
notification_id, person_id, event_id, kind, booking_id, entry_id, refund_id, created_at, read_at, seq, line;

-- name: add
-- Store notifications: at most one for each place in the journal, none about a sandbox event, and none for an
-- erased person. Where a fact does not have the person, the booking or the waitlist entry has: they are read
-- first, and then the people, because these are not where the event is.
WITH wanted AS MATERIALIZED (
    SELECT
        new.event_id,
        new.seq,
        new.line,
        new.apart_id,
        new.notification_id,
        coalesce(new.person_id, bookings.buyer_id, entries.buyer_id) AS person_id,
        new.kind,
        coalesce(new.booking_id, entries.booking_id) AS booking_id,
        new.entry_id,
        new.refund_id,
        new.at
    FROM unnest(
        :event_ids::uuid[], :seqs::bigint[], :lines::integer[], :ids::uuid[], :person_ids::uuid[],
        :kinds::text[], :booking_ids::uuid[], :entry_ids::uuid[], :refund_ids::uuid[], :ats::timestamptz[],
        :apart_ids::uuid[]
    ) AS new (
        event_id, seq, line, notification_id, person_id, kind, booking_id, entry_id, refund_id, at, apart_id
    )
    INNER JOIN events ON events.event_id = new.event_id AND NOT events.sandbox
    LEFT JOIN bookings ON bookings.event_id = new.event_id AND bookings.booking_id = new.booking_id
    LEFT JOIN waitlist_entries AS entries
        ON entries.event_id = new.event_id AND entries.entry_id = new.entry_id
    /* routed: WHERE events.event_id = ANY(:event_ids) */
)

INSERT INTO notifications (
    event_id, seq, line, booking_told, notification_id, person_id, kind, booking_id, entry_id, refund_id,
    created_at
)
SELECT
    wanted.event_id, wanted.seq, wanted.line, wanted.apart_id, wanted.notification_id, wanted.person_id,
    wanted.kind, wanted.booking_id, wanted.entry_id, wanted.refund_id, wanted.at
FROM wanted
LEFT JOIN people ON people.person_id = wanted.person_id
WHERE wanted.person_id IS NOT NULL AND people.erased_at IS NULL
ON CONFLICT DO NOTHING
RETURNING {notification};

-- name: add_for_bookings
-- Store a notification about one journal row for each of these bookings that is live and was placed before
-- the row: none about a sandbox event, and none for an erased person.
WITH wanted AS MATERIALIZED (
    SELECT bookings.event_id, bookings.booking_id, bookings.buyer_id, new.notification_id
    FROM unnest(:booking_ids::uuid[], :ids::uuid[]) AS new (booking_id, notification_id)
    INNER JOIN events ON events.event_id = :event_id AND NOT events.sandbox
    INNER JOIN bookings
        ON bookings.event_id = events.event_id
        AND bookings.booking_id = new.booking_id
        AND (bookings.state = 'confirmed' OR (bookings.state = 'held' AND :kind <> 'event_reminder'))
        AND bookings.placed_at <= :at
    WHERE
        :kind <> 'event_reminder'
        OR EXISTS (
            SELECT 1 FROM tickets
            WHERE
                tickets.event_id = bookings.event_id
                AND tickets.booking_id = bookings.booking_id
                AND tickets.state = 'valid'
                AND tickets.holder_id IS NULL
        )
)

INSERT INTO notifications (
    event_id, seq, line, booking_told, notification_id, person_id, kind, booking_id, created_at
)
SELECT
    wanted.event_id, :seq::bigint, 0, wanted.booking_id, wanted.notification_id, wanted.buyer_id, :kind,
    wanted.booking_id, :at::timestamptz
FROM wanted
LEFT JOIN people ON people.person_id = wanted.buyer_id
WHERE people.erased_at IS NULL
ON CONFLICT DO NOTHING
RETURNING {notification};

-- name: list_passed_on
-- The tickets of bookings that other persons hold.
SELECT ticket_id
FROM tickets
WHERE
    event_id = :event_id
    AND booking_id = ANY(:booking_ids::uuid[])
    AND holder_id IS NOT NULL
    AND state = 'valid';

-- name: add_for_holders
-- Store a notification about one journal row for the holder of each of these tickets: none about a sandbox
-- event, and none for an erased person.
WITH wanted AS MATERIALIZED (
    SELECT tickets.event_id, tickets.ticket_id, tickets.holder_id, tickets.booking_id, new.notification_id
    FROM unnest(:ticket_ids::uuid[], :ids::uuid[]) AS new (ticket_id, notification_id)
    INNER JOIN events ON events.event_id = :event_id AND NOT events.sandbox
    INNER JOIN tickets
        ON
            tickets.event_id = events.event_id
            AND tickets.ticket_id = new.ticket_id
            AND tickets.holder_id IS NOT NULL
)

INSERT INTO notifications (
    event_id, seq, line, booking_told, notification_id, person_id, kind, booking_id, created_at
)
SELECT
    wanted.event_id, :seq::bigint, 0, wanted.ticket_id, wanted.notification_id, wanted.holder_id, :kind,
    wanted.booking_id, :at::timestamptz
FROM wanted
INNER JOIN people ON people.person_id = wanted.holder_id AND people.erased_at IS NULL
ON CONFLICT DO NOTHING
RETURNING {notification};

-- name: add_for_cancelled_tickets
-- Store a notification for each of these cancelled tickets that had been passed on, to whom it was; at most
-- one for a place in the journal and a ticket.
WITH wanted AS MATERIALIZED (
    SELECT
        tickets.event_id, new.seq, new.line, tickets.ticket_id, new.notification_id, tickets.holder_id,
        tickets.booking_id, new.at
    FROM unnest(
        :event_ids::uuid[], :seqs::bigint[], :lines::integer[], :ticket_ids::uuid[], :ids::uuid[],
        :ats::timestamptz[]
    ) AS new (event_id, seq, line, ticket_id, notification_id, at)
    INNER JOIN events ON events.event_id = new.event_id AND NOT events.sandbox
    INNER JOIN tickets
        ON
            tickets.event_id = new.event_id
            AND tickets.ticket_id = new.ticket_id
            AND tickets.holder_id IS NOT NULL
    /* routed: WHERE events.event_id = ANY(:event_ids) AND tickets.event_id = ANY(:event_ids) */
)

INSERT INTO notifications (
    event_id, seq, line, booking_told, notification_id, person_id, kind, booking_id, created_at
)
SELECT
    wanted.event_id, wanted.seq, wanted.line, wanted.ticket_id, wanted.notification_id, wanted.holder_id,
    'ticket_lost', wanted.booking_id, wanted.at
FROM wanted
INNER JOIN people ON people.person_id = wanted.holder_id AND people.erased_at IS NULL
ON CONFLICT DO NOTHING
RETURNING {notification};

-- name: list_ending_offers
-- Offers in their last hours whose people were not notified of it. The index of holds alone is read.
SELECT bookings.event_id, bookings.booking_id
FROM bookings
WHERE
    bookings.state = 'held'
    AND bookings.entry_id IS NOT NULL
    AND bookings.expires_at > :now::timestamptz
    AND bookings.expires_at <= :now + :last_hours::interval
    AND bookings.expires_at - bookings.placed_at >= :shortest::interval
    AND bookings.expires_at
    <= :now + least((bookings.expires_at - bookings.placed_at) / 4, :last_hours)
    AND NOT EXISTS (
        SELECT 1 FROM notifications
        WHERE
            notifications.event_id = bookings.event_id
            AND notifications.seq = :seq::bigint
            AND notifications.line = 0
            AND notifications.booking_told = bookings.booking_id
    )
ORDER BY bookings.event_id, bookings.booking_id
LIMIT :limit;

-- name: add_for_offers
-- Store a notification about the end of each of these offers: none about a sandbox event, and none for an
-- erased person.
WITH wanted AS MATERIALIZED (
    SELECT
        bookings.event_id, bookings.booking_id, bookings.buyer_id, bookings.entry_id, new.notification_id
    FROM unnest(:event_ids::uuid[], :booking_ids::uuid[], :ids::uuid[])
        AS new (event_id, booking_id, notification_id)
    INNER JOIN events ON events.event_id = new.event_id AND NOT events.sandbox
    INNER JOIN bookings
        ON
            bookings.event_id = new.event_id
            AND bookings.booking_id = new.booking_id
            AND bookings.state = 'held'
    /* routed: WHERE events.event_id = ANY(:event_ids) AND bookings.event_id = ANY(:event_ids) */
)

INSERT INTO notifications (
    event_id, seq, line, booking_told, notification_id, person_id, kind, booking_id, entry_id, created_at
)
SELECT
    wanted.event_id, :seq::bigint, 0, wanted.booking_id, wanted.notification_id, wanted.buyer_id,
    'offer_ending', wanted.booking_id, wanted.entry_id, :now::timestamptz
FROM wanted
LEFT JOIN people ON people.person_id = wanted.buyer_id
WHERE people.erased_at IS NULL
ON CONFLICT DO NOTHING
RETURNING {notification};

-- name: list_of_person
-- A person's notifications, newest first: ids are in the order of time.
SELECT {notification}
FROM notifications
WHERE
    person_id = :person_id
    AND (:after::uuid IS NULL OR notification_id < :after)
    AND (NOT :unread::boolean OR read_at IS NULL)
ORDER BY notification_id DESC
LIMIT :limit;

-- name: mark_read
-- Mark a person's notification as read; the first time stays.
UPDATE notifications
SET read_at = coalesce(read_at, :now)
WHERE person_id = :person_id AND notification_id = :notification_id
RETURNING {notification};

-- name: forget_person
-- Delete the notifications of a person.
DELETE FROM notifications WHERE person_id = :person_id;

-- name: forget_old
-- Delete some of the notifications from before an instant, oldest first.
DELETE FROM notifications
USING (
    SELECT old.event_id, old.seq, old.line, old.booking_told
    FROM notifications AS old
    WHERE old.created_at < :before
    ORDER BY old.created_at
    LIMIT :limit
) AS gone
WHERE
    notifications.event_id = gone.event_id
    AND notifications.seq = gone.seq
    AND notifications.line = gone.line
    AND notifications.booking_told = gone.booking_told;
