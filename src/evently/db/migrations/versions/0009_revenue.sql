-- Sums of the ledger, which the relay keeps beside the sums of facts: gross, struck (cancelled before it was
-- paid), refunded, tax and fees; net is computed from them. Earlier rows are summed here, as far as their
-- events were counted.
ALTER TABLE event_totals
ADD COLUMN gross_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN struck_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
-- Less the tax of refunds; a quarter of an hour may be negative.
ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN fees_minor bigint NOT NULL DEFAULT 0; -- less the fees of refunds

ALTER TABLE event_quarters
ADD COLUMN gross_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN struck_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN fees_minor bigint NOT NULL DEFAULT 0;

INSERT INTO event_quarters (
    event_id, quarter_at, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets,
    cancelled_minor, gross_minor, struck_minor,
    refunded_minor, tax_minor, fees_minor
)
SELECT
    ledger.event_id,
    date_bin('15 minutes', ledger.at, '2000-01-01T00:00:00Z') AS quarter_at,
    0,
    0,
    0,
    0,
    0,
    0,
    coalesce(
        sum(ledger.amount_minor)
            FILTER (
                WHERE ledger.debit IN ('buyer', 'door') AND ledger.credit IN ('organizer', 'tax', 'fees')
            ),
        0
    ) AS gross_minor,
    coalesce(
        sum(ledger.amount_minor)
            FILTER (
                WHERE ledger.debit IN ('organizer', 'tax', 'fees') AND ledger.credit IN ('buyer', 'door')
            ),
        0
    ) AS struck_minor,
    coalesce(sum(ledger.amount_minor) FILTER (WHERE ledger.credit = 'refunds'), 0) AS refunded_minor,
    coalesce(
        sum(
            CASE 'tax'
                WHEN ledger.credit THEN ledger.amount_minor
                WHEN ledger.debit THEN -ledger.amount_minor
            END
        ),
        0
    ) AS tax_minor,
    coalesce(
        sum(
            CASE 'fees'
                WHEN ledger.credit THEN ledger.amount_minor
                WHEN ledger.debit THEN -ledger.amount_minor
            END
        ),
        0
    ) AS fees_minor
FROM ledger
INNER JOIN event_totals ON event_totals.event_id = ledger.event_id AND event_totals.seq >= ledger.seq
GROUP BY ledger.event_id, quarter_at
ON CONFLICT (event_id, quarter_at) DO UPDATE
SET
    gross_minor = excluded.gross_minor,
    struck_minor = excluded.struck_minor,
    refunded_minor = excluded.refunded_minor,
    tax_minor = excluded.tax_minor,
    fees_minor = excluded.fees_minor;

UPDATE event_totals
SET
    gross_minor = summed.gross_minor,
    struck_minor = summed.struck_minor,
    refunded_minor = summed.refunded_minor,
    tax_minor = summed.tax_minor,
    fees_minor = summed.fees_minor
FROM (
    SELECT
        event_id,
        sum(gross_minor) AS gross_minor,
        sum(struck_minor) AS struck_minor,
        sum(refunded_minor) AS refunded_minor,
        sum(tax_minor) AS tax_minor,
        sum(fees_minor) AS fees_minor
    FROM event_quarters
    GROUP BY event_id
) AS summed
WHERE event_totals.event_id = summed.event_id;
