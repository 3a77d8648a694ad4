-- The columns of the rows that become structs, in the order of the struct's fields.

-- columns: question
event_id, question_id, kind, asked_per, label, hint, required, choices, smallest, largest, ticket_type_ids,
at_door, position, retired, wording, version;
