-- The tax that is included in a fee that the buyer pays. Of tickets before this revision it was not recorded.
ALTER TABLE tickets
ADD COLUMN fee_tax_minor bigint NOT NULL DEFAULT 0,
ADD CONSTRAINT tickets_fee_tax_ck CHECK (fee_tax_minor BETWEEN 0 AND fee_minor) NOT VALID;
