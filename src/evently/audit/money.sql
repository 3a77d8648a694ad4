-- Statements that find breaches of the invariants of money, in the same form as those of breaches.sql.

-- name: find_wrong_payments
-- I7: bookings to be paid online that were confirmed without a payment; bookings whose payment is missing;
-- payments whose capture only the booking or only the payment records; two captured payments of one booking;
-- refunds above the payment. The checkout has :grace between two steps, and eight hours to capture an
-- authorised payment: within that time gateways recover, or the payment is abandoned.
WITH breaches AS (
    SELECT
        bookings.event_id, format('booking %s was confirmed without a payment', bookings.booking_id) AS what
    FROM bookings
    INNER JOIN sale_conditions
        ON sale_conditions.event_id = bookings.event_id
            AND sale_conditions.version = bookings.conditions_version
    INNER JOIN (
        SELECT DISTINCT tickets.event_id, tickets.booking_id
        FROM tickets
        WHERE
            (:event_id::uuid IS NULL OR tickets.event_id = :event_id)
            AND tickets.state != 'void'
            AND tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor > 0
    ) AS priced ON priced.event_id = bookings.event_id AND priced.booking_id = bookings.booking_id
    WHERE
        (:event_id::uuid IS NULL OR bookings.event_id = :event_id)
        AND bookings.state = 'confirmed'
        AND bookings.payment_id IS NULL
        AND convert_from(sale_conditions.conditions, 'UTF8')::jsonb ->> 'payment' = 'online'
    UNION ALL
    SELECT
        bookings.event_id,
        CASE
            WHEN payments.payment_id IS NULL
                THEN format(
                    'booking %s was confirmed with payment %s, which is missing', bookings.booking_id,
                    bookings.payment_id
                )
            ELSE format(
                'booking %s was paid %s with payment %s of %s, which is %s', bookings.booking_id,
                bookings.paid_minor, bookings.payment_id,
                payments.amount_minor, payments.state
            )
        END AS what
    FROM bookings
    LEFT JOIN payments ON payments.event_id = bookings.event_id AND payments.payment_id = bookings.payment_id
    LEFT JOIN sales ON sales.event_id = bookings.event_id
    WHERE
        (:event_id::uuid IS NULL OR bookings.event_id = :event_id)
        AND bookings.payment_id IS NOT NULL
        AND (
            payments.payment_id IS NULL
            OR payments.booking_id != bookings.booking_id
            OR payments.buyer_id != bookings.buyer_id
            OR payments.amount_minor != bookings.paid_minor
            OR payments.currency != sales.currency
            OR (bookings.captured_at < now() - :grace::interval AND payments.state != 'captured')
            OR (
                bookings.captured_at IS NULL
                AND bookings.state = 'confirmed'
                AND bookings.confirmed_at < now() - interval '8 hours'
            )
        )
    UNION ALL
    SELECT
        payments.event_id,
        format(
            'payment %s was captured for booking %s, which does not record it', payments.payment_id,
            payments.booking_id
        ) AS what
    FROM payments
    LEFT JOIN bookings ON bookings.event_id = payments.event_id AND bookings.booking_id = payments.booking_id
    WHERE
        (:event_id::uuid IS NULL OR payments.event_id = :event_id)
        AND payments.state = 'captured'
        AND (bookings.payment_id IS DISTINCT FROM payments.payment_id OR bookings.captured_at IS NULL)
        AND payments.changed_at < now() - :grace::interval
    UNION ALL
    SELECT payments.event_id, format('booking %s was paid %s times', payments.booking_id, count(*)) AS what
    FROM payments
    WHERE (:event_id::uuid IS NULL OR payments.event_id = :event_id) AND payments.state = 'captured'
    GROUP BY payments.event_id, payments.booking_id
    HAVING count(*) > 1
    UNION ALL
    SELECT
        bookings.event_id,
        format(
            'booking %s was paid %s; its refunds are %s', bookings.booking_id, bookings.paid_minor,
            bookings.refunded_minor
        ) AS what
    FROM bookings
    LEFT JOIN (
        SELECT refunds.event_id, refunds.booking_id, sum(refunds.amount_minor) AS amount_minor
        FROM refunds
        WHERE :event_id::uuid IS NULL OR refunds.event_id = :event_id
        GROUP BY refunds.event_id, refunds.booking_id
    ) AS decided ON decided.event_id = bookings.event_id AND decided.booking_id = bookings.booking_id
    WHERE
        (:event_id::uuid IS NULL OR bookings.event_id = :event_id)
        AND (
            bookings.refunded_minor + bookings.outside_minor > bookings.paid_minor
            OR bookings.outside_minor < 0
            OR bookings.refunded_minor != coalesce(decided.amount_minor, 0)
        )
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;

-- name: find_wrong_refunds
-- I7: refunds whose amount or payment differs between the sale and the checkout; refunds that only one of the
-- two records as settled, :grace after it did; and refunds that were not begun twice :grace after the
-- decision: the checkout looks for them after :grace, and begins 1,000 every second.
WITH breaches AS (
    SELECT
        payment_refunds.event_id,
        format(
            'refund %s is %s of payment %s for booking %s; by the sale it is %s of payment %s for booking %s',
            payment_refunds.refund_id, payment_refunds.amount_minor, payment_refunds.payment_id,
            payment_refunds.booking_id, refunds.amount_minor, bookings.payment_id, refunds.booking_id
        ) AS what
    FROM payment_refunds
    LEFT JOIN refunds
        ON refunds.event_id = payment_refunds.event_id AND refunds.refund_id = payment_refunds.refund_id
    LEFT JOIN bookings ON bookings.event_id = refunds.event_id AND bookings.booking_id = refunds.booking_id
    WHERE
        (:event_id::uuid IS NULL OR payment_refunds.event_id = :event_id)
        AND (payment_refunds.amount_minor, payment_refunds.booking_id, payment_refunds.payment_id)
        IS DISTINCT FROM (refunds.amount_minor, refunds.booking_id, bookings.payment_id)
    UNION ALL
    SELECT
        refunds.event_id,
        format(
            'refund %s is %s in the sale and %s in the checkout',
            refunds.refund_id,
            CASE WHEN refunds.settled_at IS NULL THEN 'decided' ELSE 'settled' END,
            coalesce(payment_refunds.state, 'missing')
        ) AS what
    FROM refunds
    LEFT JOIN payment_refunds
        ON payment_refunds.event_id = refunds.event_id AND payment_refunds.refund_id = refunds.refund_id
    WHERE
        (:event_id::uuid IS NULL OR refunds.event_id = :event_id)
        AND (refunds.settled_at IS NOT NULL)
        != (coalesce(payment_refunds.state, 'asking') IN ('settled', 'never_paid'))
        AND coalesce(refunds.settled_at, payment_refunds.changed_at) < now() - :grace::interval
    UNION ALL
    SELECT
        refunds.event_id,
        format(
            'refund %s was decided at %s and never begun', refunds.refund_id, refunds.decided_at
        ) AS what
    FROM refunds
    LEFT JOIN payment_refunds
        ON payment_refunds.event_id = refunds.event_id AND payment_refunds.refund_id = refunds.refund_id
    WHERE
        (:event_id::uuid IS NULL OR refunds.event_id = :event_id)
        AND refunds.settled_at IS NULL
        AND payment_refunds.refund_id IS NULL
        AND refunds.decided_at < now() - 2 * :grace::interval
)

SELECT breaches.event_id, breaches.what, count(*) OVER () AS total
FROM breaches
ORDER BY breaches.event_id, breaches.what
LIMIT :examples_max;

-- name: find_wrong_postings
-- I8: postings in another currency than the sale's, at another time than their journal row, or with a wrong
-- line number: the lines of a journal row count from 0. The replay checks the amounts (bookings.py).
WITH numbered AS (
    SELECT
        ledger.event_id, ledger.seq, ledger.line, ledger.at, ledger.currency,
        row_number() OVER (PARTITION BY ledger.event_id, ledger.seq ORDER BY ledger.line) - 1 AS place
    FROM ledger
    WHERE :event_id::uuid IS NULL OR ledger.event_id = :event_id
)

SELECT
    numbered.event_id,
    format(
        'the posting at %s in %s is line %s of journal row %s', numbered.at, numbered.currency, numbered.line,
        numbered.seq
    ) AS what,
    count(*) OVER () AS total
FROM numbered
LEFT JOIN journal ON journal.event_id = numbered.event_id AND journal.seq = numbered.seq
LEFT JOIN sales ON sales.event_id = numbered.event_id
WHERE
    numbered.at IS DISTINCT FROM journal.at
    OR numbered.currency IS DISTINCT FROM sales.currency
    OR numbered.line != numbered.place
ORDER BY numbered.event_id, numbered.seq, numbered.line
LIMIT :examples_max;

-- name: find_miscounted_money
-- I12: roll-ups whose money differs from the ledger up to the last counted journal row: each quarter of an
-- hour, and the totals (quarter NULL).
WITH counted AS (
    SELECT
        event_quarters.event_id, event_quarters.quarter_at, event_quarters.gross_minor,
        event_quarters.struck_minor,
        event_quarters.refunded_minor, event_quarters.tax_minor, event_quarters.fees_minor
    FROM event_quarters
    WHERE :event_id::uuid IS NULL OR event_quarters.event_id = :event_id
    UNION ALL
    SELECT
        event_totals.event_id, NULL, event_totals.gross_minor, event_totals.struck_minor,
        event_totals.refunded_minor, event_totals.tax_minor,
        event_totals.fees_minor
    FROM event_totals
    WHERE :event_id::uuid IS NULL OR event_totals.event_id = :event_id
),

posted AS (
    SELECT
        ledger.event_id,
        to_timestamp(floor(extract(EPOCH FROM ledger.at) / 900) * 900) AS quarter_at,
        CASE
            WHEN ledger.debit IN ('buyer', 'door') AND ledger.credit != 'refunds' THEN ledger.amount_minor
            ELSE 0
        END AS gross_minor,
        CASE
            WHEN ledger.credit IN ('buyer', 'door') AND ledger.debit IN ('organizer', 'tax', 'fees')
                THEN ledger.amount_minor
            ELSE 0
        END AS struck_minor,
        CASE
            WHEN ledger.credit IN ('refunds', 'gateway') AND ledger.debit IN ('organizer', 'tax', 'fees')
                THEN ledger.amount_minor
            WHEN ledger.debit IN ('refunds', 'gateway') AND ledger.credit IN ('organizer', 'tax', 'fees')
                THEN -ledger.amount_minor
            ELSE 0
        END AS refunded_minor,
        CASE
            WHEN ledger.credit = 'tax' THEN ledger.amount_minor
            WHEN ledger.debit = 'tax' THEN -ledger.amount_minor
            ELSE 0
        END AS tax_minor,
        CASE
            WHEN ledger.credit = 'fees' THEN ledger.amount_minor
            WHEN ledger.debit = 'fees' THEN -ledger.amount_minor
            ELSE 0
        END AS fees_minor
    FROM ledger
    INNER JOIN event_totals ON event_totals.event_id = ledger.event_id AND event_totals.seq >= ledger.seq
    WHERE :event_id::uuid IS NULL OR ledger.event_id = :event_id
),

beside AS (
    SELECT
        counted.event_id, counted.quarter_at, counted.gross_minor, counted.struck_minor,
        counted.refunded_minor, counted.tax_minor, counted.fees_minor
    FROM counted
    UNION ALL
    SELECT
        posted.event_id, posted.quarter_at, -posted.gross_minor, -posted.struck_minor, -posted.refunded_minor,
        -posted.tax_minor, -posted.fees_minor
    FROM posted
    UNION ALL
    SELECT
        posted.event_id, NULL, -posted.gross_minor, -posted.struck_minor, -posted.refunded_minor,
        -posted.tax_minor, -posted.fees_minor
    FROM posted
)

SELECT
    beside.event_id,
    format(
        'the roll-up of %s differs from the ledger by %s gross, %s struck, %s refunded, %s tax, %s fees',
        coalesce('the quarter from ' || beside.quarter_at, 'the totals'), sum(beside.gross_minor),
        sum(beside.struck_minor), sum(beside.refunded_minor),
        sum(beside.tax_minor), sum(beside.fees_minor)
    ) AS what,
    count(*) OVER () AS total
FROM beside
GROUP BY beside.event_id, beside.quarter_at
HAVING
    sum(beside.gross_minor) != 0
    OR sum(beside.struck_minor) != 0
    OR sum(beside.refunded_minor) != 0
    OR sum(beside.tax_minor) != 0
    OR sum(beside.fees_minor) != 0
ORDER BY beside.event_id, beside.quarter_at
LIMIT :examples_max;
