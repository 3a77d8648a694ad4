-- Seats, holds, money and the waitlist of an event. All tables belong to the event plane: keyed by event_id
-- first.

-- The optional parts that an event's sale has ever had, as bits: conditions 1, seating 2, promo codes 4, a
-- waitlist 8, returned tickets 16. A process that loads the sale reads only the tables of these parts.
ALTER TABLE sales ADD COLUMN extras integer NOT NULL DEFAULT 0;

-- owner: sales

-- Conditions of sale: payment, holds, fees, refunds. A version is never changed; a booking keeps the version
-- under which it was placed. Without a row: paid at the door, no fees, full refund.
CREATE TABLE sale_conditions (
    event_id uuid NOT NULL,
    version integer NOT NULL, -- from 1
    conditions bytea NOT NULL, -- `Conditions` as JSON
    CONSTRAINT sale_conditions_pk PRIMARY KEY (event_id, version),
    CONSTRAINT sale_conditions_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT sale_conditions_version_ck CHECK (version >= 1)
);

-- The event's copy of a seat map, and its price zones.
CREATE TABLE event_seating (
    event_id uuid NOT NULL,
    digest text NOT NULL, -- sha256 of the layout, hexadecimal: its version
    layout bytea NOT NULL, -- the canonical JSON of the map, zlib
    zones text[] NOT NULL, -- names
    zone_of bytea NOT NULL, -- one byte per seat: index into `zones`; 255 is not for sale
    CONSTRAINT event_seating_pk PRIMARY KEY (event_id),
    CONSTRAINT event_seating_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
);
ALTER TABLE event_seating ALTER COLUMN layout SET STORAGE EXTERNAL; -- it is compressed

-- A seat that is taken by a live ticket, or blocked. No row: available. The key makes two owners of one seat
-- impossible.
CREATE TABLE seat_claims (
    event_id uuid NOT NULL,
    seat_number integer NOT NULL, -- of the layout, from 0
    ticket_id uuid, -- NULL: blocked by the organizer
    CONSTRAINT seat_claims_pk PRIMARY KEY (event_id, seat_number),
    CONSTRAINT seat_claims_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT seat_claims_number_ck CHECK (seat_number >= 0)
);

ALTER TABLE ticket_types
ADD COLUMN zone text, -- sells seats of this price zone; NULL: general admission
ADD COLUMN tax_basis_points integer NOT NULL DEFAULT 0, -- of the price: 1900 is 19 %
ADD COLUMN tax_included boolean NOT NULL DEFAULT true, -- in the price; false: on top of it
ADD COLUMN hidden boolean NOT NULL DEFAULT false, -- sold only with a promo code that unlocks it
ADD CONSTRAINT ticket_types_tax_ck CHECK (tax_basis_points BETWEEN 0 AND 10000) NOT VALID;

CREATE TABLE promo_codes (
    event_id uuid NOT NULL,
    promo_id uuid NOT NULL,
    code text NOT NULL, -- upper case
    kind text NOT NULL,
    -- Basis points of a percentage, minor units of a fixed amount off each ticket, 0 for unlock.
    value integer NOT NULL,
    ticket_type_ids uuid[] NOT NULL, -- the ticket types that it applies to; empty: all
    uses_max integer, -- bookings
    per_buyer_max integer, -- bookings of one buyer
    budget_minor bigint, -- limit of the sum of its discounts
    from_at timestamptz,
    until_at timestamptz,
    retired boolean NOT NULL,
    uses integer NOT NULL, -- live bookings with it
    spent_minor bigint NOT NULL, -- sum of their discounts
    CONSTRAINT promo_codes_pk PRIMARY KEY (event_id, promo_id),
    CONSTRAINT promo_codes_code_uq UNIQUE (event_id, code),
    CONSTRAINT promo_codes_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT promo_codes_kind_ck CHECK (kind IN ('percent', 'fixed', 'unlock')),
    CONSTRAINT promo_codes_uses_ck CHECK (uses >= 0 AND uses <= uses_max),
    CONSTRAINT promo_codes_budget_ck CHECK (spent_minor >= 0 AND spent_minor <= budget_minor)
);

ALTER TABLE bookings
ADD COLUMN conditions_version integer NOT NULL DEFAULT 0, -- 0: no conditions were set
ADD COLUMN promo_id uuid,
ADD COLUMN entry_id uuid, -- an offer to this waitlist entry
ADD COLUMN extended boolean NOT NULL DEFAULT false, -- a hold is extended once
ADD COLUMN payment_id uuid, -- the payment that confirmed it
ADD COLUMN paid_minor bigint NOT NULL DEFAULT 0, -- authorised when it was confirmed
ADD COLUMN captured_at timestamptz, -- when that amount was captured
ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0, -- sum of the decided refunds
ADD CONSTRAINT bookings_refunded_ck CHECK (refunded_minor BETWEEN 0 AND paid_minor) NOT VALID,
ADD CONSTRAINT bookings_paid_ck CHECK (
    (payment_id IS NULL) = (paid_minor = 0) AND (captured_at IS NULL OR payment_id IS NOT NULL)
) NOT VALID;

ALTER TABLE tickets
ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0,
-- On top of the price: the fee that the buyer pays, the tax that is not included.
ADD COLUMN surcharge_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN fee_minor bigint NOT NULL DEFAULT 0, -- paid by the buyer or the organizer
ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0, -- included or on top
ADD COLUMN seat_number integer,
ADD COLUMN seat_id text,
ADD COLUMN seat_label text, -- as printed on the ticket
-- The returned ticket whose unit it takes over when its booking is confirmed; until then it has no unit.
ADD COLUMN replaces uuid,
ADD COLUMN returning_since timestamptz, -- offered to the waitlist by its holder
ADD CONSTRAINT tickets_total_ck CHECK (price_minor - discount_minor + surcharge_minor >= 0) NOT VALID;

-- Refunds, decided with the cancellation.
CREATE TABLE refunds (
    event_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    decided_at timestamptz NOT NULL,
    settled_at timestamptz, -- paid back, or nothing was captured
    CONSTRAINT refunds_pk PRIMARY KEY (event_id, refund_id),
    CONSTRAINT refunds_booking_fk FOREIGN KEY (event_id, booking_id)
        REFERENCES bookings (event_id, booking_id),
    CONSTRAINT refunds_amount_ck CHECK (amount_minor > 0)
);
CREATE INDEX refunds_booking_ix ON refunds (event_id, booking_id); -- the refunds of a booking
CREATE INDEX refunds_open_ix ON refunds (decided_at) WHERE settled_at IS NULL; -- refunds that are not settled

-- Money, double entry: each row takes an amount from one account and gives it to another, so the ledger sums
-- to zero by construction.
CREATE TABLE ledger (
    event_id uuid NOT NULL,
    seq bigint NOT NULL, -- of the journal row it comes from
    line integer NOT NULL, -- from 0
    at timestamptz NOT NULL,
    booking_id uuid NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    CONSTRAINT ledger_pk PRIMARY KEY (event_id, seq, line),
    CONSTRAINT ledger_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id),
    CONSTRAINT ledger_accounts_ck CHECK (
        debit IN ('buyer', 'door', 'gateway', 'organizer', 'tax', 'fees', 'refunds')
        AND credit IN ('buyer', 'door', 'gateway', 'organizer', 'tax', 'fees', 'refunds')
        AND debit != credit
    ),
    CONSTRAINT ledger_amount_ck CHECK (amount_minor > 0)
);
CREATE INDEX ledger_booking_ix ON ledger (event_id, booking_id); -- the money of a booking

CREATE TABLE waitlist_entries (
    event_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    ticket_type_id uuid NOT NULL,
    quantity integer NOT NULL,
    state text NOT NULL, -- waiting -> offered | withdrawn; offered -> fulfilled | withdrawn
    -- Why it was withdrawn: left, declined, lapsed, cancelled, over_limit; otherwise empty.
    reason text NOT NULL,
    joined_at timestamptz NOT NULL,
    joined_seq bigint NOT NULL, -- position in the waitlist: the journal row, then the id
    offered_at timestamptz,
    booking_id uuid, -- the hold of the offer
    ended_at timestamptz,
    CONSTRAINT waitlist_entries_pk PRIMARY KEY (event_id, entry_id),
    CONSTRAINT waitlist_entries_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id),
    CONSTRAINT waitlist_entries_state_ck CHECK (
        CASE state
            WHEN 'waiting' THEN booking_id IS NULL AND ended_at IS NULL
            WHEN 'offered' THEN booking_id IS NOT NULL AND ended_at IS NULL
            WHEN 'fulfilled' THEN booking_id IS NOT NULL AND ended_at IS NOT NULL
            WHEN 'withdrawn' THEN ended_at IS NOT NULL
            ELSE false
        END
    ),
    CONSTRAINT waitlist_entries_quantity_ck CHECK (quantity >= 1)
);
-- The waitlist, in order.
CREATE INDEX waitlist_entries_live_ix ON waitlist_entries (event_id, joined_seq, entry_id)
    WHERE state IN ('waiting', 'offered');
-- The entries of a buyer.
CREATE INDEX waitlist_entries_buyer_ix ON waitlist_entries (buyer_id, event_id, entry_id);
CREATE INDEX waitlist_entries_entry_ix ON waitlist_entries (entry_id); -- find an entry by its id alone
-- One live entry of a buyer for a ticket type.
CREATE UNIQUE INDEX waitlist_entries_live_uq ON waitlist_entries (event_id, buyer_id, ticket_type_id)
    WHERE state IN ('waiting', 'offered');

-- Released units that are kept for the waitlist, by ticket type; their pools count them as set aside.
CREATE TABLE set_asides (
    event_id uuid NOT NULL,
    ticket_type_id uuid NOT NULL,
    units integer NOT NULL,
    CONSTRAINT set_asides_pk PRIMARY KEY (event_id, ticket_type_id),
    CONSTRAINT set_asides_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT set_asides_units_ck CHECK (units >= 0)
);

ALTER TABLE idempotency_keys
ADD COLUMN entry_id uuid, -- the answer is a waitlist entry
-- squawk-ignore ban-drop-not-null
ALTER COLUMN booking_id DROP NOT NULL; -- NULL: the answer is a waitlist entry

-- Lists show public ticket types only: hidden ones need a promo code.
CREATE OR REPLACE VIEW open_ticket_types AS
SELECT
    ticket_types.event_id,
    ticket_types.ticket_type_id,
    ticket_types.price_minor,
    greatest(sales.on_sale_at, ticket_types.on_sale_at) AS on_sale_at,
    least(sales.off_sale_at, ticket_types.off_sale_at) AS off_sale_at,
    (
        SELECT min(pools.capacity - pools.held - pools.sold - pools.set_aside)
        FROM pools
        WHERE pools.event_id = ticket_types.event_id AND pools.pool_id = ANY(ticket_types.pool_ids)
    ) AS available
FROM ticket_types
INNER JOIN sales ON sales.event_id = ticket_types.event_id
WHERE sales.state = 'open' AND NOT ticket_types.retired AND NOT ticket_types.hidden;

-- Returned tickets that may be offered.
CREATE INDEX tickets_returning_ix ON tickets (event_id, returning_since, ticket_id)
    WHERE returning_since IS NOT NULL;
-- The offer of a returned ticket.
CREATE INDEX tickets_replaces_ix ON tickets (event_id, replaces) WHERE replaces IS NOT NULL;
