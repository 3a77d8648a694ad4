-- owner: checkout

-- The last four digits of the card, where the gateway tells them; nothing else of a card is stored.
ALTER TABLE payments ADD COLUMN card_digits text;
ALTER TABLE payments ADD CONSTRAINT payments_card_digits_ck CHECK (card_digits ~ '^[0-9]{4}$') NOT VALID;

-- Find the bookings of an event that were paid with a card, the newest first.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX payments_card_ix ON payments (event_id, card_digits, booking_id) WHERE card_digits IS NOT NULL;
