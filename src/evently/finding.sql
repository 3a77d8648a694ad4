-- Finds bookings by what a caller says.

-- name: list_words
-- The words of a text, as the indexes have them.
SELECT array_remove(regexp_split_to_array(lower(regexp_replace(
    normalize(:typed::text, NFKD), '[\u0300-\u036f]', '', 'g'
)), '[^0-9a-z\u0080-\uffff]+'), '') AS words;

-- name: find_matching
-- The people whose names and addresses have these words (people_words_ix); one more than is of use.
SELECT array_agg(found.person_id) AS person_ids
FROM (
    SELECT people.person_id
    FROM people
    WHERE
        array_to_tsvector(array_remove(regexp_split_to_array(lower(regexp_replace(
        normalize((people.name || ' ' || coalesce(people.email, '')) COLLATE "default", NFKD),
        '[\u0300-\u036f]', '', 'g'
    )), '[^0-9a-z\u0080-\uffff]+'), ''))
        @@ :query::tsquery
    LIMIT :limit
) AS found;

-- name: list_events
-- The newest events of an organizer.
SELECT events.event_id
FROM events
WHERE events.organizer_id = :organizer_id AND NOT events.sandbox
ORDER BY events.event_id DESC
LIMIT :limit;

-- name: find_bookings
-- The newest bookings that match: by their buyers, by people who hold tickets that were passed on, by names
-- on tickets, by seats, by reference. Each part reads along an index.
SELECT found.event_id, found.booking_id
FROM (
    SELECT bookings.event_id, bookings.booking_id
    FROM unnest(:person_ids::uuid[]) AS named (person_id)
    INNER JOIN bookings
        ON bookings.buyer_id = named.person_id AND bookings.event_id = ANY(:event_ids::uuid[])
    UNION
    SELECT tickets.event_id, tickets.booking_id
    FROM unnest(:person_ids::uuid[]) AS named (person_id)
    INNER JOIN tickets ON tickets.holder_id = named.person_id AND tickets.event_id = ANY(:event_ids)
    UNION
    SELECT tickets.event_id, tickets.booking_id
    FROM attendee_names
    INNER JOIN tickets
        ON tickets.event_id = attendee_names.event_id AND tickets.ticket_id = attendee_names.ticket_id
    INNER JOIN bookings
        ON
            bookings.event_id = tickets.event_id
            AND bookings.booking_id = tickets.booking_id
            AND attendee_names.buyer_id = coalesce(tickets.holder_id, bookings.buyer_id)
    INNER JOIN events ON events.event_id = tickets.event_id AND events.attendee_names <> 'not_asked'
    WHERE
        array_to_tsvector(array_append(array_remove(regexp_split_to_array(lower(regexp_replace(
        normalize(coalesce(attendee_names.name, ''), NFKD), '[\u0300-\u036f]', '', 'g'
    )), '[^0-9a-z\u0080-\uffff]+'), ''), 'event=' || attendee_names.event_id))
        @@ :names_query::tsquery
    UNION
    SELECT tickets.event_id, tickets.booking_id
    FROM seat_claims
    INNER JOIN tickets
        ON tickets.event_id = seat_claims.event_id AND tickets.ticket_id = seat_claims.ticket_id
    WHERE
        seat_claims.event_id = ANY(:event_ids) AND seat_claims.seat_number = ANY(:seat_numbers::integer[])
    UNION
    SELECT booking_references.event_id, booking_references.booking_id
    FROM booking_references
    WHERE booking_references.event_id = ANY(:event_ids) AND booking_references.reference = :reference::bytea
) AS found
WHERE :after::uuid IS NULL OR found.booking_id < :after
ORDER BY found.booking_id DESC
LIMIT :limit;

-- name: list_newest
-- The bookings of an event, newest first: ids are in the order of time.
SELECT bookings.booking_id
FROM bookings
WHERE bookings.event_id = :event_id AND (:after::uuid IS NULL OR bookings.booking_id < :after)
ORDER BY bookings.booking_id DESC
LIMIT :limit;

-- name: walk_bookings
-- The next bookings of an event, newest first, and whether their buyers match. For words that so many people
-- have that a walk finds some of them soon.
SELECT
    walked.booking_id,
    array_to_tsvector(array_remove(regexp_split_to_array(lower(regexp_replace(
        normalize((people.name || ' ' || coalesce(people.email, '')) COLLATE "default", NFKD),
        '[\u0300-\u036f]', '', 'g'
    )), '[^0-9a-z\u0080-\uffff]+'), ''))
    @@ :query::tsquery AS matches
FROM (
    SELECT bookings.booking_id, bookings.buyer_id
    FROM bookings
    WHERE bookings.event_id = :event_id AND (:after::uuid IS NULL OR bookings.booking_id < :after)
    ORDER BY bookings.booking_id DESC
    LIMIT :walked_max
) AS walked
LEFT JOIN people ON people.person_id = walked.buyer_id
ORDER BY walked.booking_id DESC;

-- name: describe_bookings
-- What a list shows of these bookings.
SELECT
    bookings.event_id,
    bookings.booking_id,
    bookings.state,
    bookings.placed_at,
    people.name AS buyer_name,
    people.email AS buyer_email,
    sales.currency,
    tickets.number AS tickets,
    tickets.total_minor,
    tickets.seats,
    bookings.payment
FROM unnest(:booking_ids::uuid[]) AS named (booking_id)
INNER JOIN bookings ON bookings.booking_id = named.booking_id
INNER JOIN sales ON sales.event_id = bookings.event_id
LEFT JOIN people ON people.person_id = bookings.buyer_id AND people.erased_at IS NULL
CROSS JOIN LATERAL (
    SELECT
        count(*) AS number,
        coalesce(sum(tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor), 0)::bigint
            AS total_minor,
        coalesce(
            array_agg(tickets.seat_label ORDER BY tickets.ticket_id) FILTER (
                WHERE tickets.seat_label IS NOT NULL
            ),
            '{}'
        ) AS seats
    FROM tickets
    WHERE
        tickets.event_id = bookings.event_id
        AND tickets.booking_id = bookings.booking_id
        AND tickets.state <> 'void'
) AS tickets
ORDER BY bookings.booking_id DESC;

-- name: add_references
-- Add the references of new bookings. Harmless to repeat.
INSERT INTO booking_references (event_id, reference, booking_id)
SELECT new.event_id, substring(uuid_send(new.booking_id) FROM 12), new.booking_id
FROM unnest(:event_ids::uuid[], :booking_ids::uuid[]) AS new (event_id, booking_id)
ON CONFLICT DO NOTHING;
