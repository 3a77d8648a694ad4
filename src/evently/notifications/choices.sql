-- What people have chosen to be told.

-- name: list_choices
-- The choices that a person has made.
SELECT topic, channel, wanted
FROM notification_choices
WHERE person_id = :person_id;

-- name: choose
-- Store a choice, in the place of an earlier one. An erased person has none.
INSERT INTO notification_choices (person_id, topic, channel, wanted, chosen_at)
SELECT people.person_id, :topic, :channel, :wanted, :now
FROM people
WHERE people.person_id = :person_id AND people.erased_at IS NULL
ON CONFLICT (person_id, topic, channel) DO UPDATE
SET wanted = excluded.wanted, chosen_at = excluded.chosen_at;

-- name: forget_choices
-- Delete the choices of a person.
DELETE FROM notification_choices WHERE person_id = :person_id;
