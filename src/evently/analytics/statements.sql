-- Money statements from the ledger.

-- name: sum_statement
-- The money of some events in a range, by currency and event.
SELECT
    ledger.event_id,
    ledger.currency,
    coalesce(sum(ledger.amount_minor) FILTER (
        WHERE ledger.debit = 'buyer' AND ledger.credit IN ('organizer', 'tax', 'fees')
    ), 0)::bigint AS online_minor,
    coalesce(sum(ledger.amount_minor) FILTER (
        WHERE ledger.debit = 'door' AND ledger.credit IN ('organizer', 'tax', 'fees')
    ), 0)::bigint AS door_minor,
    coalesce(sum(ledger.amount_minor) FILTER (
        WHERE ledger.credit = 'buyer' AND ledger.debit IN ('organizer', 'tax', 'fees')
    ), 0)::bigint AS online_struck_minor,
    coalesce(sum(ledger.amount_minor) FILTER (
        WHERE ledger.credit = 'door' AND ledger.debit IN ('organizer', 'tax', 'fees')
    ), 0)::bigint AS door_struck_minor,
    (
        coalesce(sum(ledger.amount_minor) FILTER (
            WHERE ledger.credit IN ('refunds', 'gateway') AND ledger.debit IN ('organizer', 'tax', 'fees')
        ), 0)
        - coalesce(sum(ledger.amount_minor) FILTER (
            WHERE ledger.debit IN ('refunds', 'gateway') AND ledger.credit IN ('organizer', 'tax', 'fees')
        ), 0)
    )::bigint AS refunded_minor,
    (
        coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.credit = 'tax'), 0)
        - coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.debit = 'tax'), 0)
    )::bigint AS tax_minor,
    (
        coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.credit = 'fees'), 0)
        - coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.debit = 'fees'), 0)
    )::bigint AS fees_minor,
    (
        coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.credit = 'organizer'), 0)
        - coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.debit = 'organizer'), 0)
    )::bigint AS net_minor
FROM ledger
WHERE
    ledger.event_id = ANY(:event_ids::uuid[])
    AND (:from_at::timestamptz IS NULL OR ledger.at >= :from_at)
    AND (:to_at::timestamptz IS NULL OR ledger.at < :to_at)
GROUP BY ledger.currency, ledger.event_id
ORDER BY ledger.currency, ledger.event_id;

-- name: sum_taxes
-- The tax of some events in a range, by currency and rate. What the ledger has of a booking is shared by the
-- taxes of its tickets at each rate; what rounding leaves over is part of the largest share, so the sums are
-- those of the ledger. The rate is that of the ticket type, and of the fee in the conditions of the booking:
-- looked up for each booking, because a join with bookings is planned for a few rows, and has 100,000.
WITH kept AS (
    SELECT
        ledger.event_id,
        ledger.booking_id,
        ledger.currency,
        sum(CASE WHEN ledger.credit = 'tax' THEN ledger.amount_minor ELSE -ledger.amount_minor END) AS minor
    FROM ledger
    WHERE
        ledger.event_id = ANY(:event_ids::uuid[])
        AND (:from_at::timestamptz IS NULL OR ledger.at >= :from_at)
        AND (:to_at::timestamptz IS NULL OR ledger.at < :to_at)
        AND 'tax' IN (ledger.debit, ledger.credit)
    GROUP BY ledger.event_id, ledger.booking_id, ledger.currency
),

parts AS (
    SELECT
        kept.event_id,
        kept.booking_id,
        kept.currency,
        kept.minor,
        sum(tickets.tax_minor) AS tax_minor,
        sum(tickets.fee_tax_minor) AS fee_tax_minor,
        (
            SELECT ticket_types.tax_basis_points
            FROM ticket_types
            WHERE
                ticket_types.event_id = kept.event_id
                AND ticket_types.ticket_type_id = tickets.ticket_type_id
        ) AS basis_points,
        CASE
            WHEN sum(tickets.fee_tax_minor) > 0
                THEN (
                    SELECT
                        (
                            convert_from(sale_conditions.conditions, 'UTF8')::jsonb
                            -> 'fees'
                            ->> 'tax_basis_points'
                        )::integer
                    FROM bookings
                    INNER JOIN sale_conditions
                        ON
                            sale_conditions.event_id = bookings.event_id
                            AND sale_conditions.version = bookings.conditions_version
                    WHERE bookings.event_id = kept.event_id AND bookings.booking_id = kept.booking_id
                )
        END AS fee_basis_points
    FROM kept
    INNER JOIN tickets ON tickets.event_id = kept.event_id AND tickets.booking_id = kept.booking_id
    GROUP BY kept.event_id, kept.booking_id, kept.currency, kept.minor, tickets.ticket_type_id
),

weights AS (
    SELECT
        parts.event_id,
        parts.booking_id,
        parts.currency,
        parts.minor,
        part.basis_points,
        sum(part.minor) AS weight
    FROM parts
    CROSS JOIN LATERAL (
        VALUES
        (parts.basis_points, parts.tax_minor),
        (coalesce(parts.fee_basis_points, parts.basis_points), parts.fee_tax_minor)
    ) AS part (basis_points, minor)
    WHERE part.minor > 0
    GROUP BY parts.event_id, parts.booking_id, parts.currency, parts.minor, part.basis_points
),

shares AS (
    SELECT
        weights.event_id,
        weights.booking_id,
        weights.currency,
        weights.basis_points,
        weights.minor,
        div(
            weights.minor * weights.weight,
            sum(weights.weight) OVER (PARTITION BY weights.event_id, weights.booking_id)
        ) AS share,
        row_number() OVER (
            PARTITION BY weights.event_id, weights.booking_id
            ORDER BY weights.weight DESC, weights.basis_points DESC
        ) AS place
    FROM weights
),

exact AS (
    SELECT
        shares.currency,
        shares.basis_points,
        shares.share + CASE
            WHEN shares.place = 1
                THEN
                    shares.minor
                    - sum(shares.share) OVER (PARTITION BY shares.event_id, shares.booking_id)
            ELSE 0
        END AS minor
    FROM shares
)

SELECT exact.currency, exact.basis_points, sum(exact.minor)::bigint AS tax_minor
FROM exact
GROUP BY exact.currency, exact.basis_points
ORDER BY exact.currency, exact.basis_points DESC;

-- name: list_months
-- The months in which the ledger of some events has rows, on the clocks of a zone, the newest first.
SELECT DISTINCT to_char(date_trunc('month', ledger.at AT TIME ZONE :time_zone), 'YYYY-MM') AS month
FROM ledger
WHERE ledger.event_id = ANY(:event_ids::uuid[])
ORDER BY month DESC
LIMIT :limit;

-- name: list_events
-- The events of an organizer that can have money, the newest first.
SELECT events.event_id, events.title, events.starts_at, events.time_zone
FROM events
WHERE events.organizer_id = :organizer_id AND NOT events.sandbox AND events.state <> 'draft'
ORDER BY events.event_id DESC
LIMIT :limit;
