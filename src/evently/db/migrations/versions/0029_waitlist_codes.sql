-- owner: sales

-- The promo code that unlocked the hidden ticket type of an entry. NULL: the ticket type was not hidden.
ALTER TABLE waitlist_entries ADD COLUMN promo_id uuid;
