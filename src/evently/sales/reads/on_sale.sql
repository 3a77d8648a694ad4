-- What lists show of sales.

-- name: list_public_types
-- The ticket types of some events that everybody sees, add-ons apart, with the state and the window of their
-- sale and the units that their pools and the seats of their zone have left, event by event. Units that are
-- set aside for a ticket type whose window has ended are left, too.
SELECT
    ticket_types.event_id,
    sales.state,
    sales.on_sale_at,
    sales.off_sale_at,
    ticket_types.price_minor,
    ticket_types.on_sale_at AS type_on_sale_at,
    ticket_types.off_sale_at AS type_off_sale_at,
    ticket_types.tax_basis_points,
    ticket_types.tax_included,
    least((
        SELECT min(pools.capacity - pools.held - pools.sold - pools.set_aside + coalesce(lapsed.units, 0))
        FROM pools
        LEFT JOIN LATERAL (
            SELECT sum(set_asides.units)::integer AS units
            FROM set_asides
            INNER JOIN ticket_types AS waited
                ON
                    waited.event_id = set_asides.event_id
                    AND waited.ticket_type_id = set_asides.ticket_type_id
            WHERE
                set_asides.event_id = pools.event_id
                AND set_asides.units > 0
                AND pools.pool_id = ANY(waited.pool_ids)
                AND least(sales.off_sale_at, waited.off_sale_at) <= :now
        ) AS lapsed ON pools.set_aside > 0
        WHERE pools.event_id = ticket_types.event_id AND pools.pool_id = ANY(ticket_types.pool_ids)
    ), (
        SELECT
            event_seating.available[array_position(event_seating.zones, ticket_types.zone)]
            - coalesce(sum(set_asides.units), 0)
        FROM event_seating
        LEFT JOIN ticket_types AS waited
            ON waited.event_id = event_seating.event_id AND waited.zone = ticket_types.zone
        LEFT JOIN set_asides
            ON
                set_asides.event_id = waited.event_id
                AND set_asides.ticket_type_id = waited.ticket_type_id
                AND least(sales.off_sale_at, waited.off_sale_at) > :now
        WHERE event_seating.event_id = ticket_types.event_id AND ticket_types.zone IS NOT NULL
        GROUP BY event_seating.event_id
    )) AS available
FROM ticket_types
INNER JOIN sales ON sales.event_id = ticket_types.event_id
WHERE
    ticket_types.event_id = ANY(:event_ids::uuid[])
    AND NOT ticket_types.retired
    AND NOT ticket_types.hidden
    AND cardinality(ticket_types.needed_ids) = 0
ORDER BY ticket_types.event_id;

-- name: list_conditions_now
-- The conditions under which tickets of some events are sold now. An event that has none is absent.
SELECT DISTINCT ON (event_id)
    event_id,
    conditions
FROM sale_conditions
WHERE event_id = ANY(:event_ids::uuid[])
ORDER BY event_id, version DESC;
