-- owner: checkout

-- How far the notices of each gateway were read back, in case they were never received.
CREATE TABLE reconciliations (
    gateway text NOT NULL,
    since timestamptz NOT NULL, -- notices from then on are read
    began_at timestamptz, -- when reading them began; NULL: they were all read
    after text, -- the last page that was read; NULL: none yet
    CONSTRAINT reconciliations_pk PRIMARY KEY (gateway),
    CONSTRAINT reconciliations_after_ck CHECK (after IS NULL OR began_at IS NOT NULL)
);

-- owner: payments

-- Refunds by another hand at the demo gateway, by instant.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX demo_effects_outside_ix ON demo_effects (at, reference, key) WHERE key LIKE 'outside:%';
