-- Waiting rooms: what was promised, who entered, what was drawn, how fast people are admitted.

-- name: find_room
-- A waiting room with its last paces, as three arrays: those that began after `paces_since`, and the one
-- before them.
SELECT
    {waiting_rooms.room},
    coalesce(paces.numbers, '{}') AS numbers,
    coalesce(paces.froms_at, '{}') AS froms_at,
    coalesce(paces.admitted_throughs, '{}') AS admitted_throughs,
    coalesce(paces.per_minutes, '{}') AS per_minutes
FROM waiting_rooms
LEFT JOIN (
    SELECT
        waiting_room_paces.event_id,
        array_agg(waiting_room_paces.number ORDER BY waiting_room_paces.number) AS numbers,
        array_agg(waiting_room_paces.from_at ORDER BY waiting_room_paces.number) AS froms_at,
        array_agg(waiting_room_paces.admitted_through ORDER BY waiting_room_paces.number)
            AS admitted_throughs,
        array_agg(waiting_room_paces.per_minute ORDER BY waiting_room_paces.number) AS per_minutes
    FROM waiting_room_paces
    WHERE
        waiting_room_paces.event_id = :event_id
        AND waiting_room_paces.number >= coalesce(
            (
                SELECT max(before.number)
                FROM waiting_room_paces AS before
                WHERE before.event_id = :event_id AND before.from_at <= :paces_since
            ),
            1
        )
    GROUP BY waiting_room_paces.event_id
) AS paces ON paces.event_id = waiting_rooms.event_id
WHERE waiting_rooms.event_id = :event_id;

-- name: lock_room
-- Let the caller alone change a waiting room: who enters, who draws and who changes the pace take turns.
SELECT event_id FROM waiting_rooms
WHERE event_id = :event_id
FOR NO KEY UPDATE;

-- name: put_room
-- Write what an organizer has set. The seed of the first time stays.
INSERT INTO waiting_rooms (
    event_id, opens_at, draws_at, per_minute, public_source, seed, seed_hash, entries, version, created_at,
    changed_at
)
VALUES (
    :event_id, :opens_at, :draws_at, :per_minute, :public_source, :seed, sha256(:seed::bytea), 0, 1, :now,
    :now
)
ON CONFLICT (event_id) DO UPDATE SET
    opens_at = excluded.opens_at,
    draws_at = excluded.draws_at,
    per_minute = excluded.per_minute,
    public_source = excluded.public_source,
    version = waiting_rooms.version + 1,
    changed_at = excluded.changed_at;

-- name: change_per_minute
-- Write another pace that the organizer allows.
UPDATE waiting_rooms
SET per_minute = :per_minute, version = version + 1, changed_at = :now
WHERE event_id = :event_id;

-- name: remove_room
-- Remove a waiting room that nobody has entered.
DELETE FROM waiting_rooms WHERE event_id = :event_id;

-- name: find_live_entries
-- The entries of people that have not ended.
SELECT {entry}
FROM waiting_room_entries
WHERE event_id = :event_id AND person_id = ANY(:person_ids::uuid[]) AND ended_at IS NULL;

-- name: end_entries
-- End entries whose turn has passed.
UPDATE waiting_room_entries SET ended_at = :now
WHERE event_id = :event_id AND entry_id = ANY(:entry_ids::uuid[]) AND ended_at IS NULL;

-- name: add_entries
-- Add entries, in the order of the arrays.
INSERT INTO waiting_room_entries (event_id, entry_id, person_id, entered_at, late_number)
SELECT :event_id, added.entry_id, added.person_id, :now, added.late_number
FROM unnest(:entry_ids::uuid[], :person_ids::uuid[], :late_numbers::integer[])
    AS added (entry_id, person_id, late_number);

-- name: count_entries
-- Write how many entries there are.
UPDATE waiting_rooms SET entries = :entries WHERE event_id = :event_id;

-- name: hash_list
-- The hash of the list, and the number of its entries (drawing.py: hash_list).
SELECT
    sha256(
        convert_to(coalesce(string_agg(encode(uuid_send(entry_id), 'hex'), '' ORDER BY entry_id), ''), 'UTF8')
    ) AS list_hash,
    count(*) AS listed
FROM waiting_room_entries
WHERE event_id = :event_id AND late_number IS NULL;

-- name: close_room
-- put -> closed.
UPDATE waiting_rooms SET closed_at = :now, listed = :listed, list_hash = :list_hash
WHERE event_id = :event_id AND closed_at IS NULL;

-- name: draw_room
-- closed -> drawn.
UPDATE waiting_rooms SET drawn_at = :now, public_value = :public_value
WHERE event_id = :event_id AND closed_at IS NOT NULL AND drawn_at IS NULL;

-- name: add_pace
-- Begin another pace.
INSERT INTO waiting_room_paces (event_id, number, from_at, admitted_through, per_minute)
VALUES (:event_id, :number, :from_at, :admitted_through, :per_minute);

-- name: read_ranks
-- The first bytes of the ranks of all entries on the list, in order (drawing.py: rank_of). The database
-- hashes, so that no process that also sells does it.
SELECT coalesce(string_agg(substr(ranked.rank, 1, :rank_bytes), ''::bytea ORDER BY ranked.rank), ''::bytea)
FROM (
    SELECT
        sha256(
            :outer_pad::bytea
            || sha256(
                :inner_pad::bytea
                || convert_to(encode(uuid_send(entry_id), 'hex') || :suffix::text, 'UTF8')
            )
        ) AS rank
    FROM waiting_room_entries
    WHERE event_id = :event_id AND late_number IS NULL
) AS ranked;

-- name: admit_entries
-- Write down that entries got their admission, once; return when they got it. Whose place is not kept any
-- more gets none.
UPDATE waiting_room_entries
SET
    admitted_at = coalesce(waiting_room_entries.admitted_at, :now::timestamptz),
    position = coalesce(waiting_room_entries.position, admitted.position)
FROM unnest(:entry_ids::uuid[], :positions::integer[], :kept_until::timestamptz[])
    AS admitted (entry_id, position, kept_until)
WHERE
    waiting_room_entries.event_id = :event_id
    AND waiting_room_entries.entry_id = admitted.entry_id
    AND (waiting_room_entries.admitted_at IS NOT NULL OR :now::timestamptz < admitted.kept_until)
    AND waiting_room_entries.ended_at IS NULL
RETURNING waiting_room_entries.entry_id, waiting_room_entries.admitted_at;

-- name: list_entries
-- A page of the list that is drawn, in order of their ids.
SELECT encode(uuid_send(entry_id), 'hex') AS entry
FROM waiting_room_entries
WHERE event_id = :event_id AND late_number IS NULL AND entry_id > :after
ORDER BY entry_id
LIMIT :limit;
