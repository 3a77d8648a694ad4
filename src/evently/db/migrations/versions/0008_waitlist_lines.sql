-- Find the first entries of the waitlist without reading all of it.

-- For each ticket type and quantity: the number of waiting entries, and the first of them (load_lines).
CREATE INDEX waitlist_entries_line_ix
    ON waitlist_entries (event_id, ticket_type_id, quantity, joined_seq, entry_id)
    WHERE state = 'waiting';
