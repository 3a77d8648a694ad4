-- Money of a payment that was paid back at the gateway by another hand: refunds and disputes there, as far as
-- they are not covered by refunds that the sale has decided.
ALTER TABLE bookings
ADD COLUMN outside_minor bigint NOT NULL DEFAULT 0,
ADD CONSTRAINT bookings_outside_ck
CHECK (outside_minor >= 0 AND refunded_minor + outside_minor <= paid_minor) NOT VALID;
