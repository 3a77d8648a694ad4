-- owner: sales

-- To whom a ticket was passed on. NULL: its buyer holds it.
ALTER TABLE tickets ADD COLUMN holder_id uuid;
-- The tickets that a person has received. No ticket has a holder yet: the index is empty.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX tickets_holder_ix ON tickets (holder_id, event_id) WHERE holder_id IS NOT NULL;

-- Offers of tickets to the persons with e-mail addresses.
CREATE TABLE transfers (
    event_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    giver_id uuid NOT NULL, -- who held the ticket
    address text, -- normalised, not in the journal; NULL: forgotten
    state text NOT NULL, -- offered -> accepted, declined, withdrawn or expired
    offered_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    receiver_id uuid, -- who accepted
    ended_at timestamptz,
    CONSTRAINT transfers_pk PRIMARY KEY (event_id, transfer_id),
    CONSTRAINT transfers_ticket_fk FOREIGN KEY (event_id, ticket_id)
        REFERENCES tickets (event_id, ticket_id),
    CONSTRAINT transfers_state_ck CHECK (
        state IN ('offered', 'accepted', 'declined', 'withdrawn', 'expired')
    ),
    CONSTRAINT transfers_open_ck CHECK (
        (ended_at IS NULL) = (state = 'offered') AND (address IS NOT NULL OR ended_at IS NOT NULL)
    ),
    CONSTRAINT transfers_receiver_ck CHECK (
        (receiver_id IS NOT NULL) = (state = 'accepted') AND receiver_id <> giver_id
    ),
    CONSTRAINT transfers_times_ck CHECK (expires_at > offered_at AND ended_at >= offered_at)
);
-- A ticket is offered to one person at a time.
CREATE UNIQUE INDEX transfers_offered_uq ON transfers (event_id, ticket_id) WHERE state = 'offered';
CREATE INDEX transfers_transfer_ix ON transfers (transfer_id); -- find a transfer by its id alone
CREATE INDEX transfers_ticket_ix ON transfers (event_id, ticket_id); -- the transfers of a ticket
CREATE INDEX transfers_expires_ix ON transfers (expires_at) WHERE state = 'offered'; -- end what is due
CREATE INDEX transfers_giver_ix ON transfers (giver_id, offered_at); -- those of a giver
CREATE INDEX transfers_receiver_ix ON transfers (receiver_id) WHERE receiver_id IS NOT NULL; -- of a receiver
-- What is offered to an address; addresses to forget
CREATE INDEX transfers_address_ix ON transfers (address, offered_at) WHERE address IS NOT NULL;

-- Codes that tickets had before they were passed on: they admit nobody. Only inserted.
CREATE TABLE void_codes (
    event_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    secret bytea NOT NULL,
    voided_at timestamptz NOT NULL,
    CONSTRAINT void_codes_pk PRIMARY KEY (event_id, ticket_id, secret),
    CONSTRAINT void_codes_ticket_fk FOREIGN KEY (event_id, ticket_id)
        REFERENCES tickets (event_id, ticket_id),
    CONSTRAINT void_codes_secret_ck CHECK (octet_length(secret) = 10)
);

-- owner: notifications

-- Kinds about tickets that are passed on.
ALTER TABLE notifications
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notifications_kind_ck,
ADD CONSTRAINT notifications_kind_ck CHECK (
    kind IN (
        'offer_made', 'offer_ending', 'offer_lapsed', 'entry_withdrawn', 'booking_confirmed',
        'booking_cancelled', 'tickets_cancelled', 'return_taken', 'refund_paid', 'payment_failed',
        'event_rescheduled', 'event_reminder', 'transfer_accepted', 'transfer_declined', 'transfer_expired',
        'ticket_received', 'ticket_given_back', 'ticket_lost'
    )
) NOT VALID;
