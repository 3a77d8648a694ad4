-- Moves the facts of journals to files, and back.

-- name: list_archivable
-- The events that ended, and changed for the last time, before an instant, and have facts in the database; a
-- fact that is not delivered, a hold and a refund that is not settled keep an event.
SELECT sales.event_id
FROM sales
INNER JOIN events ON events.event_id = sales.event_id
WHERE
    events.ends_at < :ended_before
    AND NOT events.sandbox
    AND sales.head_at < :ended_before
    AND EXISTS (
        SELECT 1 FROM journal
        WHERE journal.event_id = sales.event_id AND journal.seq = sales.seq AND journal.facts IS NOT NULL
    )
    AND NOT EXISTS (
        SELECT 1 FROM journal WHERE journal.event_id = sales.event_id AND journal.delivered_at IS NULL
    )
    AND NOT EXISTS (
        SELECT 1 FROM bookings WHERE bookings.event_id = sales.event_id AND bookings.state = 'held'
    )
    AND NOT EXISTS (
        SELECT 1 FROM refunds WHERE refunds.event_id = sales.event_id AND refunds.settled_at IS NULL
    )
ORDER BY events.ends_at, sales.event_id;

-- name: find_facts
-- The first and the last row of an event whose facts are in the database and delivered; between two rows
-- with facts there is none without.
SELECT min(seq) AS first_seq, max(seq) AS last_seq
FROM journal
WHERE event_id = :event_id AND facts IS NOT NULL AND delivered_at IS NOT NULL;

-- name: read_facts
-- The rows of the journal of an event that are about to be in a file.
SELECT seq, at, hash, facts
FROM journal
WHERE event_id = :event_id AND seq BETWEEN :first_seq AND :last_seq
ORDER BY seq;

-- name: find_hash
-- The hash of a row.
SELECT hash FROM journal WHERE event_id = :event_id AND seq = :seq;

-- name: lock_sale
-- Lock a sale, so that one process archives or restores its journal.
SELECT event_id FROM sales WHERE event_id = :event_id FOR NO KEY UPDATE;

-- name: remove_facts
-- Remove the facts of rows that are in a file.
UPDATE journal
SET facts = NULL
WHERE event_id = :event_id AND seq BETWEEN :first_seq AND :last_seq AND facts IS NOT NULL
RETURNING seq;

-- name: add_file
-- Write down which file has the facts of which rows.
INSERT INTO journal_files (event_id, first_seq, last_seq, name, size, digest, archived_at)
VALUES (:event_id, :first_seq, :last_seq, :name, :size, :digest, :now);

-- name: put_facts
-- Give rows their facts back, where the hash is the same.
UPDATE journal
SET facts = restored.facts
FROM unnest(:seqs::bigint[], :hashes::bytea[], :facts::bytea[]) AS restored (seq, hash, facts)
WHERE
    journal.event_id = :event_id
    AND journal.seq = restored.seq
    AND journal.hash = restored.hash
    AND journal.facts IS NULL
RETURNING journal.seq;

-- name: remove_files
-- Forget the files of an event.
DELETE FROM journal_files WHERE event_id = :event_id;
