-- Spreading tables over a cluster.

-- name: list_tables
-- The tables, whether their rows belong to events, and the other tables that their foreign keys lead to.
SELECT
    tables.relname::text AS name,
    EXISTS (
        SELECT 1
        FROM pg_attribute
        WHERE
            pg_attribute.attrelid = tables.oid
            AND pg_attribute.attname = 'event_id'
            AND NOT pg_attribute.attisdropped
    ) AS of_events,
    ARRAY(
        SELECT DISTINCT parents.relname::text
        FROM pg_constraint
        INNER JOIN pg_class AS parents ON parents.oid = pg_constraint.confrelid
        WHERE
            pg_constraint.conrelid = tables.oid
            AND pg_constraint.contype = 'f'
            AND pg_constraint.confrelid <> tables.oid
        ORDER BY 1
    ) AS parents
FROM pg_class AS tables
WHERE tables.relnamespace = to_regnamespace('public') AND tables.relkind IN ('r', 'p')
ORDER BY tables.relname;

-- name: list_unfit_indexes
-- Unique indexes of tables of events that do not contain the event: a cluster cannot have them.
SELECT indexes.relname::text AS name
FROM pg_index
INNER JOIN pg_class AS indexes ON indexes.oid = pg_index.indexrelid
INNER JOIN pg_attribute ON pg_attribute.attrelid = pg_index.indrelid AND pg_attribute.attname = 'event_id'
WHERE
    indexes.relnamespace = to_regnamespace('public')
    AND pg_index.indisunique
    AND NOT pg_attribute.attisdropped
    AND NOT pg_attribute.attnum = ANY(pg_index.indkey)
ORDER BY indexes.relname;

-- name: take_turns
-- Lock the distribution until the end of the transaction: a second command waits, and then finds the table
-- done.
SELECT pg_advisory_xact_lock(7236412078540123466);
