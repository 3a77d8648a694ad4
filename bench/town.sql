-- The statements of a town: what the product has no verb for, because people do it one at a time.

-- name: add_people
-- The people of the town. Their ids and addresses contain the mark of the town, which copies replace.
INSERT INTO people (person_id, email, name, role, version, created_at)
SELECT
    ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    'buyer' || n || '-8000-@mail' || n % 50 || '.example',
    (ARRAY['Anna', 'Zoë', 'Mina', 'Søren', 'Grace', 'Ada', 'Tarek', 'Li', 'Jürgen', 'Olu'])[1 + n % 10]
    || ' ' || chr(65 + (n / 10) % 26) || 'son' || (n / 260) % 1000,
    'buyer', 1, :since
FROM generate_series(0, :count::integer - 1) AS n;

-- name: add_names
-- A name on every second ticket.
INSERT INTO attendee_names (event_id, ticket_id, buyer_id, name, version, named_at)
SELECT
    tickets.event_id, tickets.ticket_id, bookings.buyer_id,
    'Guest' || row_number() OVER (ORDER BY tickets.event_id, tickets.ticket_id), 1, bookings.placed_at
FROM tickets
INNER JOIN bookings ON bookings.event_id = tickets.event_id AND bookings.booking_id = tickets.booking_id
WHERE tickets.state != 'void' AND get_byte(uuid_send(tickets.ticket_id), 15) % 2 = 0;

-- name: add_answers
-- The answer of every third booking to the only question of its event.
INSERT INTO question_answers (
    event_id, question_id, subject_id, booking_id, person_id, wording, answer, answered_at
)
SELECT
    bookings.event_id, questions.question_id, bookings.booking_id, bookings.booking_id, bookings.buyer_id, 1,
    questions.choices[1 + get_byte(uuid_send(bookings.booking_id), 14) % 3], bookings.placed_at
FROM bookings
INNER JOIN questions ON questions.event_id = bookings.event_id
WHERE bookings.state = 'confirmed' AND get_byte(uuid_send(bookings.booking_id), 15) % 3 = 0;

-- name: forget_keys
-- Forget every second key, as if these bookings had come from programs that send none: the answers to keys
-- are a quarter of all bytes.
DELETE FROM idempotency_keys WHERE get_byte(uuid_send(booking_id), 15) % 2 = 0;

-- name: forget_mail
-- Forget the e-mails, as the server does after some days.
DELETE FROM mail_messages;

-- name: count_undone
-- What the relay, the checkout and the jobs have not done yet.
SELECT
    (SELECT count(*) FROM journal WHERE delivered_at IS NULL)
    + (SELECT count(*) FROM refunds WHERE settled_at IS NULL)
    + (SELECT count(*) FROM bookings WHERE payment_id IS NOT NULL AND captured_at IS NULL)
    + (SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing'));
