-- One use of a promo code could have any number of units: a code for one free ticket gave ten.
ALTER TABLE promo_codes ADD COLUMN units_per_use_max integer; -- NULL: no limit
ALTER TABLE promo_codes ADD CONSTRAINT promo_codes_units_ck CHECK (units_per_use_max > 0) NOT VALID;
ALTER TABLE promo_codes VALIDATE CONSTRAINT promo_codes_units_ck;
