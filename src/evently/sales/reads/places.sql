-- How full events are.

-- name: list_pools
-- The pools of some events with their counters, and the ticket types that draw on each, retired ones too; and
-- whether these are add-ons only.
SELECT
    pools.event_id,
    pools.pool_id,
    pools.capacity,
    pools.held,
    pools.sold,
    pools.set_aside,
    ARRAY(
        SELECT ticket_types.ticket_type_id
        FROM ticket_types
        WHERE ticket_types.event_id = pools.event_id AND pools.pool_id = ANY(ticket_types.pool_ids)
    ) AS ticket_type_ids,
    coalesce((
        SELECT bool_and(cardinality(ticket_types.needed_ids) > 0)
        FROM ticket_types
        WHERE ticket_types.event_id = pools.event_id AND pools.pool_id = ANY(ticket_types.pool_ids)
    ), false) AS for_add_ons
FROM pools
WHERE pools.event_id = ANY(:event_ids::uuid[])
ORDER BY pools.event_id, pools.pool_id;
