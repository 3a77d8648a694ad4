-- The first in line, without a look at the whole of it.

-- Of each quantity of a ticket type how many wait, and the first of them (load_lines).
CREATE INDEX waitlist_entries_line_ix ON waitlist_entries (event_id, ticket_type_id, quantity, joined_seq, entry_id) WHERE state = 'waiting';
