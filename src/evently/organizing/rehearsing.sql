-- Rehearsals that organizers start, and the sandbox events that are removed afterwards.

-- columns: rehearsal
event_id, rehearsal_id, requested_by, requested_at, plan, state, started_at, stop_requested_at, finished_at,
copy_id, progress, report, reason;

-- name: find_open
-- The rehearsal of an event that waits or runs.
SELECT rehearsal_id
FROM rehearsals
WHERE event_id = :event_id AND state IN ('waiting', 'running')
LIMIT 1;

-- name: count_open
-- How many rehearsals wait or run.
SELECT count(*) FROM rehearsals WHERE state IN ('waiting', 'running');

-- name: add_rehearsal
-- Write down that a rehearsal is asked for.
INSERT INTO rehearsals (
    event_id, rehearsal_id, requested_by, requested_at, plan, state, progress, report, reason
)
VALUES (:event_id, :rehearsal_id, :requested_by, :now, :plan, 'waiting', '', '', '')
RETURNING {rehearsal};

-- name: forget_old
-- Delete the oldest rehearsals of an event that have ended, all but some.
DELETE FROM rehearsals
WHERE
    event_id = :event_id
    AND state IN ('done', 'failed', 'stopped')
    AND rehearsal_id IN (
        SELECT old.rehearsal_id
        FROM rehearsals AS old
        WHERE old.event_id = :event_id
        ORDER BY old.rehearsal_id DESC
        OFFSET :kept_max
    );

-- name: list_rehearsals
-- The rehearsals of an event, the newest first.
SELECT {rehearsal}
FROM rehearsals
WHERE event_id = :event_id AND (:after::uuid IS NULL OR rehearsal_id < :after)
ORDER BY rehearsal_id DESC
LIMIT :limit;

-- name: find_rehearsal
-- One rehearsal.
SELECT {rehearsal}
FROM rehearsals
WHERE event_id = :event_id AND rehearsal_id = :rehearsal_id;

-- name: stop_rehearsal
-- waiting -> stopped; of one that runs, write down that it is to stop. One that has ended stays as it is.
UPDATE rehearsals
SET
    stop_requested_at = coalesce(stop_requested_at, :now),
    state = CASE state WHEN 'waiting' THEN 'stopped' ELSE state END,
    finished_at = CASE state WHEN 'waiting' THEN :now::timestamptz ELSE finished_at END,
    reason = CASE state WHEN 'waiting' THEN 'asked' ELSE reason END
WHERE event_id = :event_id AND rehearsal_id = :rehearsal_id AND state IN ('waiting', 'running');

-- name: list_waiting
-- Rehearsals that wait, those that have waited longest first.
SELECT event_id, rehearsal_id
FROM rehearsals
WHERE state = 'waiting'
ORDER BY requested_at
LIMIT :limit;

-- name: take_rehearsal
-- waiting -> running; no row if it was stopped meanwhile. The caller holds the lease.
UPDATE rehearsals
SET state = 'running', started_at = :now
WHERE event_id = :event_id AND rehearsal_id = :rehearsal_id AND state = 'waiting'
RETURNING {rehearsal};

-- name: fail_lost
-- running -> failed: their process has died, for the caller has got the lease.
UPDATE rehearsals
SET state = 'failed', finished_at = :now, reason = 'lost'
WHERE state = 'running';

-- name: note_copy
-- Write down which sandbox event is the copy.
UPDATE rehearsals SET copy_id = :copy_id
WHERE event_id = :event_id AND rehearsal_id = :rehearsal_id AND state = 'running';

-- name: note_progress
-- Write down how far a rehearsal is; return whether it is to stop. No row: it runs no more.
UPDATE rehearsals SET progress = :progress
WHERE event_id = :event_id AND rehearsal_id = :rehearsal_id AND state = 'running'
RETURNING stop_requested_at IS NOT NULL AS stops;

-- name: end_rehearsal
-- running -> done, failed or stopped.
UPDATE rehearsals SET state = :state, finished_at = :now, report = :report, reason = :reason
WHERE event_id = :event_id AND rehearsal_id = :rehearsal_id AND state = 'running'
RETURNING copy_id;

-- name: add_sandbox
-- Write down a sandbox event, with its buyers, and when it is removed.
INSERT INTO sandboxes (event_id, buyer_ids, remove_at)
VALUES (:event_id, :buyer_ids, :remove_at);

-- name: remove_sandbox_at
-- Remove a sandbox event at another time.
UPDATE sandboxes SET remove_at = :remove_at WHERE event_id = :event_id;

-- name: list_due_sandboxes
-- Sandbox events that are due to be removed, the first one first.
SELECT event_id
FROM sandboxes
WHERE remove_at <= :now AND event_id <> ALL(:stuck::uuid[])
ORDER BY remove_at
LIMIT :limit;

-- name: take_due_sandbox
-- One that is still due, with its buyers. Locked, so that one process removes it; no row while another one
-- does.
SELECT event_id, buyer_ids
FROM sandboxes
WHERE event_id = :event_id AND remove_at <= :now
FOR UPDATE SKIP LOCKED;

-- name: forget_copy
-- Write down that a copy is not there any more. Of the event alone: rehearsals are found by it.
UPDATE rehearsals SET copy_id = NULL WHERE copy_id = :copy_id;

-- name: forget_sandbox
-- Forget a sandbox event that was removed.
DELETE FROM sandboxes WHERE event_id = :event_id;
