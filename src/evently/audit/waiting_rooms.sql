-- I14: waiting rooms. Computed here from the rows alone: the draw as docs/waiting-room.md explains it, and
-- the turns from the paces.

-- name: find_wrong_admissions
-- Rooms whose list differs from its hash or its number, late entries that are not numbered one by one,
-- entries with another position than the draw gives, entries that were admitted before their turn, and
-- bookings of people who had no admission. A process may know a pace for :grace after it has ended; a booking
-- may wait for the engine as long as a batch may take.
WITH rooms AS (
    SELECT
        waiting_rooms.event_id,
        waiting_rooms.draws_at,
        waiting_rooms.entries,
        waiting_rooms.listed,
        waiting_rooms.list_hash,
        waiting_rooms.drawn_at,
        encode(waiting_rooms.list_hash, 'hex') || waiting_rooms.public_value AS suffix,
        (
            SELECT
                string_agg(
                    set_byte(
                        '\x00'::bytea,
                        0,
                        get_byte(waiting_rooms.seed || decode(repeat('00', 32), 'hex'), at) # 54
                    ),
                    ''::bytea ORDER BY at
                )
            FROM generate_series(0, 63) AS bytes (at)
        ) AS inner_pad,
        (
            SELECT
                string_agg(
                    set_byte(
                        '\x00'::bytea,
                        0,
                        get_byte(waiting_rooms.seed || decode(repeat('00', 32), 'hex'), at) # 92
                    ),
                    ''::bytea ORDER BY at
                )
            FROM generate_series(0, 63) AS bytes (at)
        ) AS outer_pad
    FROM waiting_rooms
    WHERE :event_id::uuid IS NULL OR waiting_rooms.event_id = :event_id
),

lists AS (
    SELECT
        rooms.event_id,
        count(entries.entry_id) AS entries,
        count(entries.entry_id) FILTER (WHERE entries.late_number IS NULL) AS listed,
        count(entries.late_number) AS late,
        coalesce(max(entries.late_number), 0) AS last_late,
        sha256(
            convert_to(
                coalesce(
                    string_agg(encode(uuid_send(entries.entry_id), 'hex'), '' ORDER BY entries.entry_id)
                    FILTER (WHERE entries.late_number IS NULL),
                    ''
                ),
                'UTF8'
            )
        ) AS list_hash
    FROM rooms
    LEFT JOIN waiting_room_entries AS entries ON entries.event_id = rooms.event_id
    GROUP BY rooms.event_id
),

positions AS (
    SELECT
        entries.event_id,
        entries.entry_id,
        entries.position,
        entries.admitted_at,
        CASE
            WHEN entries.late_number IS NOT NULL THEN rooms.listed + entries.late_number
            ELSE row_number() OVER (
                PARTITION BY entries.event_id, entries.late_number IS NULL
                ORDER BY
                    sha256(
                        rooms.outer_pad
                        || sha256(
                            rooms.inner_pad
                            || convert_to(encode(uuid_send(entries.entry_id), 'hex') || rooms.suffix, 'UTF8')
                        )
                    )
            )
        END AS drawn
    FROM rooms
    INNER JOIN waiting_room_entries AS entries ON entries.event_id = rooms.event_id
    WHERE rooms.drawn_at IS NOT NULL
),

paces AS (
    SELECT
        waiting_room_paces.event_id,
        waiting_room_paces.from_at,
        waiting_room_paces.admitted_through,
        waiting_room_paces.per_minute,
        lead(waiting_room_paces.from_at) OVER (
            PARTITION BY waiting_room_paces.event_id
            ORDER BY waiting_room_paces.number
        ) AS until_at
    FROM waiting_room_paces
    INNER JOIN rooms ON rooms.event_id = waiting_room_paces.event_id
),

breaches AS (
    SELECT
        rooms.event_id,
        format(
            'the waiting room counts %s entries, %s on its list: there are %s and %s, or others',
            rooms.entries, rooms.listed, lists.entries, lists.listed
        ) AS what
    FROM rooms
    INNER JOIN lists ON lists.event_id = rooms.event_id
    WHERE
        rooms.entries != lists.entries
        OR (rooms.listed IS NULL AND lists.late > 0)
        OR rooms.listed != lists.listed
        OR rooms.list_hash != lists.list_hash
        OR lists.late != lists.last_late
    UNION ALL
    SELECT
        entries.event_id,
        format(
            'entry %s was admitted without a position, or before the order was drawn', entries.entry_id
        ) AS what
    FROM rooms
    INNER JOIN waiting_room_entries AS entries ON entries.event_id = rooms.event_id
    WHERE
        (entries.admitted_at IS NULL) != (entries.position IS NULL)
        OR (rooms.drawn_at IS NULL AND entries.admitted_at IS NOT NULL)
    UNION ALL
    SELECT
        positions.event_id,
        format(
            'entry %s was admitted as number %s: it was drawn as number %s',
            positions.entry_id, positions.position, positions.drawn
        ) AS what
    FROM positions
    WHERE positions.position != positions.drawn
    UNION ALL
    SELECT
        positions.event_id,
        format(
            'entry %s, number %s, was admitted at %s, before its turn',
            positions.entry_id, positions.position, positions.admitted_at
        ) AS what
    FROM positions
    WHERE
        positions.admitted_at IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM paces
            WHERE
                paces.event_id = positions.event_id
                AND paces.from_at <= positions.admitted_at
                AND (paces.until_at IS NULL OR paces.until_at >= positions.admitted_at - :grace::interval)
                AND positions.position <= paces.admitted_through + floor(
                    extract(EPOCH FROM positions.admitted_at - paces.from_at) * paces.per_minute / 60
                )
        )
    UNION ALL
    SELECT
        bookings.event_id,
        format('booking %s was made without an admission', bookings.booking_id) AS what
    FROM rooms
    INNER JOIN bookings ON bookings.event_id = rooms.event_id
    WHERE
        bookings.placed_at >= rooms.draws_at
        AND bookings.entry_id IS NULL
        AND NOT EXISTS (
            SELECT 1
            FROM waiting_room_entries AS entries
            WHERE
                entries.event_id = bookings.event_id
                AND entries.person_id = bookings.buyer_id
                AND bookings.placed_at BETWEEN entries.admitted_at - :grace::interval
                AND entries.admitted_at + :kept::interval
        )
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;
