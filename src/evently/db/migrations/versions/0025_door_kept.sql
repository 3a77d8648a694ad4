-- owner: sales

-- The bit of `extras` of a cancelled sale whose organizer keeps what was paid at the door, as its journal
-- says. An underscore stands for a colon, which begins a parameter.
UPDATE sales
SET extras = sales.extras | 128
WHERE
    sales.state = 'cancelled'
    AND EXISTS (
        SELECT
        FROM journal
        WHERE
            journal.event_id = sales.event_id
            AND convert_from(journal.facts, 'UTF8') LIKE '%{"type"_"SaleCancelled","door_kept"_true}%'
    );
