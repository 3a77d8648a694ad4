-- owner: notifications

-- A kind about tickets that got other seats.
ALTER TABLE notifications
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT notifications_kind_ck,
ADD CONSTRAINT notifications_kind_ck CHECK (
    kind IN (
        'offer_made', 'offer_ending', 'offer_lapsed', 'entry_withdrawn', 'booking_confirmed',
        'booking_cancelled', 'tickets_cancelled', 'return_taken', 'refund_paid', 'payment_failed',
        'event_rescheduled', 'event_reminder', 'transfer_accepted', 'transfer_declined', 'transfer_expired',
        'ticket_received', 'ticket_given_back', 'ticket_lost', 'seats_changed'
    )
) NOT VALID;
