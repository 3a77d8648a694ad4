-- How a booking is paid: online, at the door, or not at all, because it costs nothing. Until now every reader
-- derived it from the conditions. A process of the previous version that still places bookings leaves the
-- default: then a hold can be paid online in any case, and `evently audit` names what is paid at the door.
ALTER TABLE bookings
ADD COLUMN payment text NOT NULL DEFAULT 'online',
ADD CONSTRAINT bookings_payment_ck
CHECK (payment IN ('online', 'door', 'none') AND (payment_id IS NULL OR payment = 'online')) NOT VALID;

-- In one statement, because all revisions run in one transaction: steps would hold the same row locks until
-- its end, and change the same rows. It reads the tickets of each booking by their index, once.
UPDATE bookings
SET
    payment = CASE
        WHEN NOT EXISTS (
            SELECT 1
            FROM tickets
            WHERE
                tickets.event_id = bookings.event_id
                AND tickets.booking_id = bookings.booking_id
                AND tickets.price_minor - tickets.discount_minor + tickets.surcharge_minor > 0
        ) THEN 'none'
        WHEN bookings.confirmed_at IS NOT NULL THEN 'door'
        ELSE coalesce(
            (
                SELECT convert_from(sale_conditions.conditions, 'UTF8')::jsonb ->> 'payment'
                FROM sale_conditions
                WHERE
                    sale_conditions.event_id = bookings.event_id
                    AND sale_conditions.version = bookings.conditions_version
            ),
            'door'
        )
    END
WHERE bookings.payment_id IS NULL;
