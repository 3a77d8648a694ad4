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

-- name: find_addressed
-- The person with an e-mail address (people_email_uq).
SELECT array_agg(people.person_id) AS person_ids
FROM people
WHERE people.email = :email;

-- name: find_named
-- The newest bookings of an event with a ticket whose name has these words, one of which is the event
-- (attendee_names_words_ix). Their tickets are sorted before anything else of them is read. One row says that
-- the names are too many, and nothing else.
WITH named AS MATERIALIZED (
    SELECT attendee_names.ticket_id
    FROM attendee_names
    WHERE
        array_to_tsvector(array_append(array_remove(regexp_split_to_array(lower(regexp_replace(
        normalize(coalesce(attendee_names.name, ''), NFKD), '[\u0300-\u036f]', '', 'g'
    )), '[^0-9a-z\u0080-\uffff]+'), ''), 'event=' || attendee_names.event_id))
        @@ :query::tsquery
    LIMIT :named_max + 1
)

(
    SELECT DISTINCT ON (sold.booking_id) sold.booking_id, false AS too_many
    FROM (
        SELECT tickets.booking_id, tickets.ticket_id, tickets.holder_id
        FROM named
        INNER JOIN tickets ON tickets.event_id = :event_id AND tickets.ticket_id = named.ticket_id
        WHERE :after::uuid IS NULL OR tickets.booking_id < :after
        ORDER BY tickets.booking_id DESC
    ) AS sold
    INNER JOIN bookings ON bookings.event_id = :event_id AND bookings.booking_id = sold.booking_id
    INNER JOIN attendee_names
        ON
            attendee_names.event_id = :event_id
            AND attendee_names.ticket_id = sold.ticket_id
            AND attendee_names.buyer_id = coalesce(sold.holder_id, bookings.buyer_id)
    WHERE (SELECT count(*) FROM named) <= :named_max
    ORDER BY sold.booking_id DESC
    LIMIT :limit
)
UNION ALL
(
    SELECT NULL AS booking_id, true AS too_many
    FROM named
    HAVING count(*) > :named_max
);

-- name: list_events
-- The newest events of an organizer.
SELECT events.event_id
FROM events
WHERE events.organizer_id = :organizer_id AND NOT events.sandbox
ORDER BY events.event_id DESC
LIMIT :limit;

-- name: find_bookings
-- The newest bookings that match: by their buyers, by people who hold tickets that were passed on, by seats,
-- by the last digits of a card, by reference. Each part reads along an index.
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
    FROM seat_claims
    INNER JOIN tickets
        ON tickets.event_id = seat_claims.event_id AND tickets.ticket_id = seat_claims.ticket_id
    WHERE
        seat_claims.event_id = ANY(:event_ids) AND seat_claims.seat_number = ANY(:seat_numbers::integer[])
    UNION
    SELECT paid.event_id, paid.booking_id
    FROM sales
    CROSS JOIN LATERAL (
        SELECT payments.event_id, payments.booking_id
        FROM payments
        WHERE
            payments.event_id = sales.event_id
            AND payments.card_digits = :card_digits::text
            AND (:after::uuid IS NULL OR payments.booking_id < :after)
        ORDER BY payments.booking_id DESC
        LIMIT :limit
    ) AS paid
    WHERE sales.event_id = ANY(:event_ids)
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
-- Of the next bookings of an event, newest first, those that match: by their buyers, by people who hold
-- tickets that were passed on, by names on tickets. It ends with the last match that is asked for, so words
-- that many people have are found at once. A text of ASCII letters alone is compared with the patterns first:
-- it has the words only if it contains them, and that takes a tenth of the time. The row with `is_end` is the
-- last booking of the walk, where it is as long as it may be.
(
    SELECT walked.booking_id, false AS is_end
    FROM (
        SELECT bookings.booking_id, bookings.buyer_id
        FROM bookings
        WHERE bookings.event_id = :event_id AND (:after::uuid IS NULL OR bookings.booking_id < :after)
        ORDER BY bookings.booking_id DESC
        LIMIT :walked_max
    ) AS walked
    WHERE
        EXISTS (
            SELECT 1
            FROM (
                SELECT walked.buyer_id AS person_id
                UNION ALL
                SELECT tickets.holder_id AS person_id
                FROM tickets
                WHERE
                    tickets.event_id = :event_id
                    AND tickets.booking_id = walked.booking_id
                    AND tickets.holder_id IS NOT NULL
            ) AS owners
            INNER JOIN people ON people.person_id = owners.person_id
            CROSS JOIN LATERAL (
                SELECT (people.name || ' ' || coalesce(people.email, '')) COLLATE "default" AS text
            ) AS whole
            WHERE
                CASE
                    WHEN
                        octet_length(whole.text) = length(whole.text)
                        AND NOT lower(whole.text) LIKE ALL(:patterns::text[])
                        THEN false
                    ELSE
                        array_to_tsvector(array_remove(regexp_split_to_array(lower(regexp_replace(
                            normalize(whole.text, NFKD), '[\u0300-\u036f]', '', 'g'
                        )), '[^0-9a-z\u0080-\uffff]+'), ''))
                        @@ :query::tsquery
                END
        )
        OR (
            :has_names
            AND EXISTS (
                SELECT 1
                FROM tickets
                INNER JOIN attendee_names
                    ON
                        attendee_names.event_id = tickets.event_id
                        AND attendee_names.ticket_id = tickets.ticket_id
                        AND attendee_names.buyer_id = coalesce(tickets.holder_id, walked.buyer_id)
                WHERE
                    tickets.event_id = :event_id
                    AND tickets.booking_id = walked.booking_id
                    AND attendee_names.name IS NOT NULL
                    AND CASE
                        WHEN
                            octet_length(attendee_names.name) = length(attendee_names.name)
                            AND NOT lower(attendee_names.name) LIKE ALL(:patterns)
                            THEN false
                        ELSE
                            array_to_tsvector(array_remove(regexp_split_to_array(lower(regexp_replace(
                                normalize(attendee_names.name, NFKD), '[\u0300-\u036f]', '', 'g'
                            )), '[^0-9a-z\u0080-\uffff]+'), ''))
                            @@ :query::tsquery
                    END
            )
        )
    ORDER BY walked.booking_id DESC
    LIMIT :limit
)
UNION ALL
(
    SELECT bookings.booking_id, true AS is_end
    FROM bookings
    WHERE bookings.event_id = :event_id AND (:after IS NULL OR bookings.booking_id < :after)
    ORDER BY bookings.booking_id DESC
    LIMIT 1 OFFSET :walked_max - 1
);

-- name: has_names
-- Whether the tickets of an event have names.
SELECT events.attendee_names <> 'not_asked' AS has_names
FROM events
WHERE events.event_id = :event_id;

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

-- name: forget_event
-- Delete the references of the bookings of a sandbox event.
DELETE FROM booking_references WHERE event_id = :event_id;
