-- What organizers ask.

-- name: list_questions
-- The questions of an event in the order in which they are asked, retired ones too.
SELECT {question}
FROM questions
WHERE event_id = :event_id
ORDER BY position, question_id
LIMIT :limit;

-- name: find_question
-- One question of an event.
SELECT {question}
FROM questions
WHERE event_id = :event_id AND question_id = :question_id;

-- name: add_question
-- Add a question with its first wording.
WITH added AS (
    INSERT INTO questions ({question}, changed_at)
    VALUES (
        :event_id, :question_id, :kind, :asked_per, :label, :hint, :required, :choices, :smallest, :largest,
        :ticket_type_ids, :at_door, :position, :retired, :wording, :version, :now
    )
    RETURNING event_id, question_id, wording, label, hint, changed_at
)
INSERT INTO question_wordings (event_id, question_id, wording, label, hint, written_at)
SELECT event_id, question_id, wording, label, hint, changed_at FROM added;

-- name: change_question
-- Change a question whose event is locked.
UPDATE questions SET
    label = :label,
    hint = :hint,
    required = :required,
    choices = :choices,
    smallest = :smallest,
    largest = :largest,
    ticket_type_ids = :ticket_type_ids,
    at_door = :at_door,
    position = :position,
    retired = :retired,
    wording = :wording,
    version = :version,
    changed_at = :now,
    changed_by = :editor_id
WHERE event_id = :event_id AND question_id = :question_id;

-- name: find_last_edit
-- Who changed a question last, and when; NULL: it is not known.
SELECT changed_by, changed_at FROM questions WHERE event_id = :event_id AND question_id = :question_id;

-- name: add_wording
-- Keep the new words of a question.
INSERT INTO question_wordings (event_id, question_id, wording, label, hint, written_at)
VALUES (:event_id, :question_id, :wording, :label, :hint, :now);

-- name: delete_question
-- Delete a question with its wordings and its answers.
DELETE FROM questions
WHERE event_id = :event_id AND question_id = :question_id
RETURNING question_id;
