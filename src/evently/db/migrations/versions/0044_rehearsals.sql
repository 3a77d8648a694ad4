-- owner: organizing

-- Rehearsals that organizers start: a process beside the server runs one at a time, on a copy of the event.
-- Transitions:
--   waiting -> running | stopped
--   running -> done | failed | stopped
--   done, failed, stopped are final
CREATE TABLE rehearsals (
    event_id uuid NOT NULL, -- the original
    rehearsal_id uuid NOT NULL,
    requested_by uuid NOT NULL, -- a person or an API key
    requested_at timestamptz NOT NULL,
    plan text NOT NULL, -- JSON: how many buyers, within how many seconds, how they pay
    state text NOT NULL, -- transitions above
    started_at timestamptz,
    stop_requested_at timestamptz, -- by a person
    finished_at timestamptz,
    copy_id uuid, -- the sandbox event, until it is removed
    progress text NOT NULL, -- JSON; empty until the sale of the copy opens
    report text NOT NULL, -- JSON; empty until it has ended
    reason text NOT NULL, -- why it has stopped or failed; empty otherwise
    CONSTRAINT rehearsals_pk PRIMARY KEY (event_id, rehearsal_id),
    CONSTRAINT rehearsals_event_fk FOREIGN KEY (event_id) REFERENCES events (event_id) ON DELETE CASCADE,
    CONSTRAINT rehearsals_state_ck CHECK (state IN ('waiting', 'running', 'done', 'failed', 'stopped')),
    CONSTRAINT rehearsals_finished_ck CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running'))),
    CONSTRAINT rehearsals_started_ck CHECK (started_at IS NOT NULL OR state IN ('waiting', 'stopped')),
    CONSTRAINT rehearsals_reason_ck CHECK ((reason = '') = (state IN ('waiting', 'running', 'done')))
);
-- The rehearsals that wait or run, in their order
CREATE INDEX rehearsals_open_ix ON rehearsals (requested_at) WHERE state IN ('waiting', 'running');
CREATE INDEX rehearsals_copy_ix ON rehearsals (copy_id) WHERE copy_id IS NOT NULL; -- the rehearsal of a copy

-- Sandbox events and their buyers, until they are removed.
CREATE TABLE sandboxes (
    event_id uuid NOT NULL,
    buyer_ids uuid[] NOT NULL, -- the people that were made for it
    remove_at timestamptz NOT NULL,
    CONSTRAINT sandboxes_pk PRIMARY KEY (event_id),
    CONSTRAINT sandboxes_event_fk FOREIGN KEY (event_id) REFERENCES events (event_id) ON DELETE CASCADE
);
CREATE INDEX sandboxes_remove_ix ON sandboxes (remove_at); -- those that are due
