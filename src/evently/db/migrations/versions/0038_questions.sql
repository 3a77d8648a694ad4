-- owner: questions

-- What the organizer of an event asks its buyers.
CREATE TABLE questions (
    event_id uuid NOT NULL,
    question_id uuid NOT NULL,
    kind text NOT NULL,
    asked_per text NOT NULL, -- once for a booking, or for each ticket
    label text NOT NULL,
    hint text NOT NULL, -- below the label; of a consent, its terms
    required boolean NOT NULL,
    choices text[] NOT NULL,
    smallest bigint, -- of a number
    largest bigint,
    ticket_type_ids uuid[], -- NULL: of every ticket type
    at_door boolean NOT NULL, -- door members see the answers
    position integer NOT NULL,
    retired boolean NOT NULL, -- no longer asked; its answers stay
    wording integer NOT NULL, -- the number of the present wording
    version integer NOT NULL, -- counts the changes
    changed_at timestamptz NOT NULL,
    CONSTRAINT questions_pk PRIMARY KEY (event_id, question_id),
    -- A draft is deleted with its questions
    CONSTRAINT questions_event_fk FOREIGN KEY (event_id) REFERENCES events (event_id) ON DELETE CASCADE,
    CONSTRAINT questions_kind_ck CHECK (kind IN ('text', 'choice', 'number', 'date', 'consent')),
    CONSTRAINT questions_asked_per_ck CHECK (asked_per IN ('booking', 'ticket')),
    CONSTRAINT questions_choices_ck CHECK ((kind = 'choice') = (cardinality(choices) > 0)),
    CONSTRAINT questions_numbers_ck CHECK (kind = 'number' OR (smallest IS NULL AND largest IS NULL)),
    CONSTRAINT questions_range_ck CHECK (smallest <= largest),
    CONSTRAINT questions_wording_ck CHECK (wording >= 1),
    CONSTRAINT questions_version_ck CHECK (version >= 1)
);

-- The words of each question, as buyers saw them: an answer is to one wording.
CREATE TABLE question_wordings (
    event_id uuid NOT NULL,
    question_id uuid NOT NULL,
    wording integer NOT NULL,
    label text NOT NULL,
    hint text NOT NULL,
    written_at timestamptz NOT NULL,
    CONSTRAINT question_wordings_pk PRIMARY KEY (event_id, question_id, wording),
    CONSTRAINT question_wordings_question_fk FOREIGN KEY (event_id, question_id)
        REFERENCES questions (event_id, question_id) ON DELETE CASCADE
);

-- What buyers answered. Personal data: nothing of it is in the journal, and it is deleted with the account of
-- the person who answered. There is no foreign key to `tickets`: it would lock their rows, on which the
-- engine works.
CREATE TABLE question_answers (
    event_id uuid NOT NULL,
    question_id uuid NOT NULL,
    subject_id uuid NOT NULL, -- the ticket, or the booking of a question that is asked once
    booking_id uuid NOT NULL,
    person_id uuid NOT NULL, -- who answered; of a ticket, the answer counts while the ticket is theirs
    wording integer NOT NULL, -- which one the person saw
    answer text NOT NULL,
    answered_at timestamptz NOT NULL,
    CONSTRAINT question_answers_pk PRIMARY KEY (event_id, question_id, subject_id),
    CONSTRAINT question_answers_wording_fk FOREIGN KEY (event_id, question_id, wording)
        REFERENCES question_wordings (event_id, question_id, wording) ON DELETE CASCADE,
    CONSTRAINT question_answers_answer_ck CHECK (length(answer) BETWEEN 1 AND 2000)
);
-- The answers of a booking, or of the holder of a ticket
CREATE INDEX question_answers_subject_ix ON question_answers (event_id, subject_id);
-- Export and erase the answers of a person
CREATE INDEX question_answers_person_ix ON question_answers (person_id);
