-- name: list_types
-- The ticket types of an event, in the order of their numbers on a list.
SELECT ticket_type_id, name
FROM ticket_types
WHERE event_id = :event_id
ORDER BY ticket_type_id;

-- name: read_list
-- The entries of an event's list, one after the other, with seats and names in the same order. Codes that
-- were valid once are there, too: a device says why they admit nobody. The database hashes, so that no
-- process that also sells does it.
WITH given AS (
    SELECT
        question_answers.subject_id,
        question_answers.person_id,
        string_agg(
            question_wordings.label
            || CASE WHEN question_wordings.label ~ '[?!.:]$' THEN ' ' ELSE ': ' END
            || regexp_replace(question_answers.answer, '\s+', ' ', 'g'),
            E'\n' ORDER BY questions.position, questions.question_id
        ) AS lines
    FROM questions
    INNER JOIN question_answers
        ON
            question_answers.event_id = questions.event_id
            AND question_answers.question_id = questions.question_id
    INNER JOIN question_wordings
        ON
            question_wordings.event_id = question_answers.event_id
            AND question_wordings.question_id = question_answers.question_id
            AND question_wordings.wording = question_answers.wording
    WHERE questions.event_id = :event_id AND questions.at_door AND :with_names
    GROUP BY question_answers.subject_id, question_answers.person_id
),

codes AS (
    SELECT
        tickets.ticket_id,
        tickets.secret,
        tickets.ticket_type_id,
        CASE
            WHEN tickets.state = 'void' OR bookings.state = 'cancelled' THEN 3
            WHEN check_ins.inside THEN 1
            WHEN check_ins.ticket_id IS NOT NULL THEN 2
            ELSE 0
        END AS state,
        coalesce(tickets.seat_label, tickets.seat_id, '') AS seat,
        CASE WHEN :with_names THEN coalesce(attendee_names.name, people.name, '') ELSE '' END AS name,
        concat_ws(E'\n', about_booking.lines, about_ticket.lines) AS answers
    FROM tickets
    INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
    LEFT JOIN check_ins ON check_ins.event_id = tickets.event_id AND check_ins.ticket_id = tickets.ticket_id
    LEFT JOIN attendee_names
        ON
            :with_names
            AND attendee_names.event_id = tickets.event_id
            AND attendee_names.ticket_id = tickets.ticket_id
            AND attendee_names.buyer_id = coalesce(tickets.holder_id, bookings.buyer_id)
    LEFT JOIN people
        ON
            :with_names
            AND people.person_id = coalesce(tickets.holder_id, bookings.buyer_id)
            AND people.erased_at IS NULL
    LEFT JOIN given AS about_booking
        ON about_booking.subject_id = tickets.booking_id AND about_booking.person_id = bookings.buyer_id
    LEFT JOIN given AS about_ticket
        ON
            about_ticket.subject_id = tickets.ticket_id
            AND about_ticket.person_id = coalesce(tickets.holder_id, bookings.buyer_id)
    WHERE
        tickets.event_id = :event_id
        AND bookings.confirmed_at IS NOT NULL
        AND bookings.state IN ('confirmed', 'cancelled')

    UNION ALL

    SELECT
        void_codes.ticket_id,
        void_codes.secret,
        tickets.ticket_type_id,
        4 AS state,
        coalesce(tickets.seat_label, tickets.seat_id, '') AS seat,
        '' AS name,
        '' AS answers
    FROM void_codes
    INNER JOIN tickets
        ON tickets.event_id = void_codes.event_id AND tickets.ticket_id = void_codes.ticket_id
    WHERE void_codes.event_id = :event_id
),

entries AS (
    SELECT
        substr(sha256(uuid_send(codes.ticket_id) || codes.secret), 1, 8)
        || set_byte(
            set_byte('\x0000'::bytea, 0, array_position(:type_ids::uuid[], codes.ticket_type_id) - 1),
            1,
            codes.state
        ) AS entry,
        codes.seat,
        codes.name,
        codes.answers
    FROM codes
)

SELECT
    (SELECT sales.state = 'cancelled' FROM sales WHERE sales.event_id = :event_id) AS cancelled,
    count(*) AS count,
    coalesce(string_agg(entry, ''::bytea ORDER BY entry), ''::bytea) AS entries,
    CASE WHEN bool_or(seat != '') THEN array_agg(seat ORDER BY entry) END AS seats,
    CASE WHEN :with_names THEN coalesce(array_agg(name ORDER BY entry), '{}') END AS names,
    CASE WHEN bool_or(answers != '') THEN array_agg(answers ORDER BY entry) END AS answers
FROM entries;
