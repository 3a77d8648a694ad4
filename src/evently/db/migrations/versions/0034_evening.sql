-- owner: analytics

-- Tickets of confirmed bookings, by minute, cancelled ones included. Kept for three days.
CREATE TABLE event_minutes (
    event_id uuid NOT NULL,
    minute_at timestamptz NOT NULL,
    tickets bigint NOT NULL,
    CONSTRAINT event_minutes_pk PRIMARY KEY (event_id, minute_at),
    CONSTRAINT event_minutes_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
);
CREATE INDEX event_minutes_at_ix ON event_minutes (minute_at); -- deleting old minutes

-- What became of the holds of an event, offers to its waitlist included, and of its waitlist entries.
CREATE TABLE event_conversions (
    event_id uuid NOT NULL,
    holds bigint NOT NULL, -- that ever were
    confirmed bigint NOT NULL,
    expired bigint NOT NULL,
    cancelled bigint NOT NULL, -- before they were confirmed
    joined bigint NOT NULL, -- waitlist entries that ever were
    fulfilled bigint NOT NULL,
    withdrawn bigint NOT NULL,
    CONSTRAINT event_conversions_pk PRIMARY KEY (event_id),
    CONSTRAINT event_conversions_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
);

-- From which campaign link a booking came, if it named one.
CREATE TABLE booking_sources (
    event_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    via text NOT NULL, -- the word in the link, or (other)
    CONSTRAINT booking_sources_pk PRIMARY KEY (event_id, booking_id),
    CONSTRAINT booking_sources_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
);

-- What came from each campaign link: at most a hundred of an event, and the others as one.
CREATE TABLE event_sources (
    event_id uuid NOT NULL,
    via text NOT NULL,
    placed bigint NOT NULL, -- bookings, held ones included
    bookings bigint NOT NULL, -- that were confirmed
    tickets bigint NOT NULL,
    amount_minor bigint NOT NULL,
    cancelled_bookings bigint NOT NULL,
    cancelled_tickets bigint NOT NULL,
    cancelled_minor bigint NOT NULL,
    CONSTRAINT event_sources_pk PRIMARY KEY (event_id, via),
    CONSTRAINT event_sources_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE
);

-- What was counted before, as far as the events were counted: `counted.at` is the last counted journal row,
-- and times never run backwards within an event.
WITH counted AS (
    SELECT event_totals.event_id, journal.at
    FROM event_totals
    INNER JOIN journal ON journal.event_id = event_totals.event_id AND journal.seq = event_totals.seq
),

holds AS (
    SELECT
        bookings.event_id,
        count(*) AS holds,
        count(*) FILTER (WHERE bookings.confirmed_at <= counted.at) AS confirmed,
        count(*) FILTER (WHERE bookings.state = 'expired' AND bookings.ended_at <= counted.at) AS expired,
        count(*) FILTER (
            WHERE
                bookings.state = 'cancelled'
                AND bookings.confirmed_at IS NULL
                AND bookings.ended_at <= counted.at
        ) AS cancelled
    FROM counted
    INNER JOIN bookings
        ON bookings.event_id = counted.event_id
        AND bookings.expires_at IS NOT NULL
        AND bookings.placed_at <= counted.at
    GROUP BY bookings.event_id
),

entries AS (
    SELECT
        waitlist_entries.event_id,
        count(*) AS joined,
        count(*) FILTER (
            WHERE waitlist_entries.state = 'fulfilled' AND waitlist_entries.ended_at <= counted.at
        ) AS fulfilled,
        count(*) FILTER (
            WHERE waitlist_entries.state = 'withdrawn' AND waitlist_entries.ended_at <= counted.at
        ) AS withdrawn
    FROM counted
    INNER JOIN waitlist_entries
        ON waitlist_entries.event_id = counted.event_id AND waitlist_entries.joined_at <= counted.at
    GROUP BY waitlist_entries.event_id
)

INSERT INTO event_conversions (
    event_id, holds, confirmed, expired, cancelled, joined, fulfilled, withdrawn
)
SELECT
    counted.event_id,
    coalesce(holds.holds, 0),
    coalesce(holds.confirmed, 0),
    coalesce(holds.expired, 0),
    coalesce(holds.cancelled, 0),
    coalesce(entries.joined, 0),
    coalesce(entries.fulfilled, 0),
    coalesce(entries.withdrawn, 0)
FROM counted
LEFT JOIN holds ON holds.event_id = counted.event_id
LEFT JOIN entries ON entries.event_id = counted.event_id
WHERE holds.holds > 0 OR entries.joined > 0;

INSERT INTO event_minutes (event_id, minute_at, tickets)
SELECT bookings.event_id, date_trunc('minute', bookings.confirmed_at, 'UTC') AS minute_at, count(*)
FROM event_totals
INNER JOIN journal ON journal.event_id = event_totals.event_id AND journal.seq = event_totals.seq
INNER JOIN bookings
    ON bookings.event_id = event_totals.event_id
    AND bookings.confirmed_at <= journal.at
    AND bookings.confirmed_at > now() - interval '3 days'
INNER JOIN tickets ON tickets.event_id = bookings.event_id AND tickets.booking_id = bookings.booking_id
WHERE event_totals.tickets > 0
GROUP BY bookings.event_id, minute_at;
