-- owner: accounts

-- Find people by the words of their names and addresses: in lower case, without the marks that decorate
-- letters. An index and no column, so that a change of a name needs nothing else, and an erased one is gone.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX people_words_ix ON people USING gin (
    array_to_tsvector(array_remove(regexp_split_to_array(lower(regexp_replace(
        normalize((name || ' ' || coalesce(email, '')) COLLATE "default", NFKD),
        '[\u0300-\u036f]', '', 'g'
    )), '[^0-9a-z\u0080-\uffff]+'), ''))
) WITH (fastupdate = off);

-- owner: attendees

-- Find the tickets of an event by the words of the names on them; the event is one of the words.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attendee_names_words_ix ON attendee_names USING gin (
    array_to_tsvector(array_append(array_remove(regexp_split_to_array(lower(regexp_replace(
        normalize(coalesce(name, ''), NFKD), '[\u0300-\u036f]', '', 'g'
    )), '[^0-9a-z\u0080-\uffff]+'), ''), 'event=' || event_id))
) WITH (fastupdate = off);

-- owner: finding

-- The references that people read aloud: the last five bytes of the ids of bookings. The relay adds them, so
-- a booking pays nothing for it. There is no foreign key to `bookings`: it would lock their rows.
CREATE TABLE booking_references (
    event_id uuid NOT NULL,
    reference bytea NOT NULL,
    booking_id uuid NOT NULL,
    CONSTRAINT booking_references_pk PRIMARY KEY (event_id, reference, booking_id),
    CONSTRAINT booking_references_reference_ck CHECK (reference = substring(uuid_send(booking_id) FROM 12))
);
INSERT INTO booking_references (event_id, reference, booking_id)
SELECT bookings.event_id, substring(uuid_send(bookings.booking_id) FROM 12), bookings.booking_id
FROM bookings;
