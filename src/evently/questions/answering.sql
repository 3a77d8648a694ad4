-- What buyers answer.

-- name: find_answers_about
-- The answers about a booking and its tickets that their holders gave; those of earlier holders do not count.
SELECT
    question_answers.question_id,
    question_answers.subject_id,
    question_answers.wording,
    question_answers.answer,
    question_answers.answered_at
FROM unnest(:subject_ids::uuid[], :person_ids::uuid[]) AS asked (subject_id, person_id)
INNER JOIN question_answers
    ON
        question_answers.event_id = :event_id
        AND question_answers.subject_id = asked.subject_id
        AND question_answers.person_id = asked.person_id;

-- name: put_answers
-- Write answers, in the order of their keys. The person is locked: nobody else writes these rows, but an
-- earlier holder of a ticket at the same moment, whose answers do not count.
INSERT INTO question_answers (
    event_id, question_id, subject_id, booking_id, person_id, wording, answer, answered_at
)
SELECT
    :event_id, given.question_id, given.subject_id, :booking_id, :person_id, given.wording, given.answer, :now
FROM
    unnest(:question_ids::uuid[], :subject_ids::uuid[], :wordings::integer[], :answers::text[])
        AS given (question_id, subject_id, wording, answer)
ORDER BY given.question_id, given.subject_id
ON CONFLICT (event_id, question_id, subject_id) DO UPDATE SET
    person_id = excluded.person_id,
    wording = excluded.wording,
    answer = excluded.answer,
    answered_at = excluded.answered_at;

-- name: take_back
-- Delete answers that their person took back.
DELETE FROM question_answers
USING unnest(:question_ids::uuid[], :subject_ids::uuid[]) AS taken (question_id, subject_id)
WHERE
    question_answers.event_id = :event_id
    AND question_answers.question_id = taken.question_id
    AND question_answers.subject_id = taken.subject_id
    AND question_answers.person_id = :person_id;

-- name: count_unanswered
-- How many required answers a booking that was not paid yet has not. Its buyer holds all of its tickets.
SELECT
    count(DISTINCT (
        questions.question_id,
        CASE WHEN questions.asked_per = 'ticket' THEN tickets.ticket_id ELSE tickets.booking_id END
    ))
FROM questions
INNER JOIN tickets
    ON
        tickets.event_id = questions.event_id
        AND tickets.booking_id = :booking_id
        AND tickets.state <> 'void'
        AND (
            questions.ticket_type_ids IS NULL OR tickets.ticket_type_id = ANY(questions.ticket_type_ids)
        )
LEFT JOIN question_answers
    ON
        question_answers.event_id = questions.event_id
        AND question_answers.question_id = questions.question_id
        AND question_answers.subject_id
        = CASE WHEN questions.asked_per = 'ticket' THEN tickets.ticket_id ELSE tickets.booking_id END
        AND (questions.kind <> 'consent' OR question_answers.wording = questions.wording)
WHERE
    questions.event_id = :event_id
    AND questions.required
    AND NOT questions.retired
    AND question_answers.question_id IS NULL;

-- name: clear_answers
-- Forget the answers about tickets that an earlier holder gave.
DELETE FROM question_answers
USING
    unnest(:event_ids::uuid[], :ticket_ids::uuid[]) AS passed (event_id, ticket_id)
    INNER JOIN tickets ON tickets.event_id = passed.event_id AND tickets.ticket_id = passed.ticket_id
    INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
WHERE
    question_answers.event_id = passed.event_id
    AND question_answers.subject_id = passed.ticket_id
    AND question_answers.person_id <> coalesce(tickets.holder_id, bookings.buyer_id)
    /* routed: AND question_answers.event_id = ANY(:event_ids)
    AND tickets.event_id = ANY(:event_ids)
    AND bookings.event_id = ANY(:event_ids) */;

-- name: forget_person
-- Delete the answers that a person gave (question_answers_person_ix).
DELETE FROM question_answers
WHERE person_id = :person_id;

-- name: count_answers
-- How many answers each question of an event has.
SELECT question_id, count(*) AS answers
FROM question_answers
WHERE event_id = :event_id
GROUP BY question_id;

-- name: list_answers_to
-- The answers to a question that count, of the holders of the tickets, the newest first.
SELECT
    question_answers.booking_id,
    question_answers.subject_id,
    people.name AS person_name,
    coalesce(tickets.seat_label, tickets.seat_id) AS seat_label,
    question_wordings.label,
    question_answers.answer,
    question_answers.answered_at,
    question_answers.wording <> questions.wording AS reworded
FROM question_answers
INNER JOIN bookings
    ON bookings.event_id = question_answers.event_id AND bookings.booking_id = question_answers.booking_id
INNER JOIN questions
    ON
        questions.event_id = question_answers.event_id
        AND questions.question_id = question_answers.question_id
INNER JOIN question_wordings
    ON
        question_wordings.event_id = question_answers.event_id
        AND question_wordings.question_id = question_answers.question_id
        AND question_wordings.wording = question_answers.wording
LEFT JOIN tickets
    ON tickets.event_id = question_answers.event_id AND tickets.ticket_id = question_answers.subject_id
LEFT JOIN people ON people.person_id = question_answers.person_id AND people.erased_at IS NULL
WHERE
    question_answers.event_id = :event_id
    AND question_answers.question_id = :question_id
    AND question_answers.person_id = coalesce(tickets.holder_id, bookings.buyer_id)
    AND (
        :after_at::timestamptz IS NULL
        OR (question_answers.answered_at, question_answers.subject_id) < (:after_at, :after_id::uuid)
    )
ORDER BY question_answers.answered_at DESC, question_answers.subject_id DESC
LIMIT :limit;

-- name: count_answers_to
-- How often each answer to a question was given, of those that count; the most frequent first.
SELECT question_answers.answer, count(*) AS times
FROM question_answers
INNER JOIN bookings
    ON bookings.event_id = question_answers.event_id AND bookings.booking_id = question_answers.booking_id
LEFT JOIN tickets
    ON tickets.event_id = question_answers.event_id AND tickets.ticket_id = question_answers.subject_id
WHERE
    question_answers.event_id = :event_id
    AND question_answers.question_id = :question_id
    AND question_answers.person_id = coalesce(tickets.holder_id, bookings.buyer_id)
GROUP BY question_answers.answer
ORDER BY times DESC, question_answers.answer
LIMIT :limit;

-- name: list_answers_of
-- The answers that a person gave, with the words that the person saw, for that person.
SELECT
    question_answers.event_id,
    question_answers.booking_id,
    CASE WHEN questions.asked_per = 'ticket' THEN question_answers.subject_id END AS ticket_id,
    question_answers.question_id,
    questions.kind,
    question_wordings.label,
    question_wordings.hint,
    question_answers.answer,
    question_answers.answered_at,
    question_answers.wording <> questions.wording AS reworded
FROM question_answers
INNER JOIN questions
    ON
        questions.event_id = question_answers.event_id
        AND questions.question_id = question_answers.question_id
INNER JOIN question_wordings
    ON
        question_wordings.event_id = question_answers.event_id
        AND question_wordings.question_id = question_answers.question_id
        AND question_wordings.wording = question_answers.wording
WHERE question_answers.person_id = :person_id
ORDER BY question_answers.answered_at, question_answers.subject_id, question_answers.question_id
LIMIT :limit;

-- name: list_given
-- The answers about some bookings of an event and their tickets, in the order of the questions: what the
-- holders of the tickets answered. :at_door: only those that door members see. The subjects are no join: of
-- an array the planner expects ten, and would compare each answer of the event with a thousand.
SELECT
    question_answers.event_id,
    question_answers.booking_id,
    CASE WHEN questions.asked_per = 'ticket' THEN question_answers.subject_id END AS ticket_id,
    question_answers.question_id,
    questions.kind,
    question_wordings.label,
    question_wordings.hint,
    question_answers.answer,
    question_answers.answered_at,
    question_answers.wording <> questions.wording AS reworded
FROM question_answers
INNER JOIN bookings
    ON bookings.event_id = question_answers.event_id AND bookings.booking_id = question_answers.booking_id
INNER JOIN questions
    ON
        questions.event_id = question_answers.event_id
        AND questions.question_id = question_answers.question_id
INNER JOIN question_wordings
    ON
        question_wordings.event_id = question_answers.event_id
        AND question_wordings.question_id = question_answers.question_id
        AND question_wordings.wording = question_answers.wording
LEFT JOIN tickets
    ON tickets.event_id = question_answers.event_id AND tickets.ticket_id = question_answers.subject_id
WHERE
    question_answers.event_id = :event_id
    AND question_answers.subject_id = ANY(:subject_ids::uuid[])
    AND question_answers.person_id = coalesce(tickets.holder_id, bookings.buyer_id)
    AND (NOT :at_door::boolean OR questions.at_door)
ORDER BY questions.position, questions.question_id, question_answers.subject_id;

-- name: list_bookings_of_tickets
-- The bookings of some tickets.
SELECT ticket_id, booking_id
FROM tickets
WHERE event_id = :event_id AND ticket_id = ANY(:ticket_ids::uuid[]);
