-- owner: sales

ALTER TABLE ticket_types
-- an add-on is sold only together with a ticket of one of these types; empty: by itself
ADD COLUMN needed_ids uuid[] NOT NULL DEFAULT '{}',
ADD COLUMN per_needed_max integer, -- NULL: no limit
ADD CONSTRAINT ticket_types_needed_ck CHECK (
    per_needed_max IS NULL OR (per_needed_max >= 1 AND cardinality(needed_ids) > 0)
) NOT VALID,
ADD CONSTRAINT ticket_types_add_on_ck CHECK (cardinality(needed_ids) = 0 OR zone IS NULL) NOT VALID;
