-- A fixed amount was off each ticket only. `fixed_per_booking`: minor units off all tickets of a booking
-- together.
-- squawk-ignore ban-drop-constraint
ALTER TABLE promo_codes DROP CONSTRAINT promo_codes_kind_ck;
ALTER TABLE promo_codes ADD CONSTRAINT promo_codes_kind_ck
CHECK (kind IN ('percent', 'fixed', 'fixed_per_booking', 'unlock')) NOT VALID;
ALTER TABLE promo_codes VALIDATE CONSTRAINT promo_codes_kind_ck;
ALTER TABLE tickets ADD CONSTRAINT tickets_discount_ck
CHECK (discount_minor BETWEEN 0 AND price_minor) NOT VALID;
ALTER TABLE tickets VALIDATE CONSTRAINT tickets_discount_ck;
