-- owner: pictures

-- Pictures that were uploaded, made anew: events name them by `/pictures/{digest}.jpg`. One row serves all
-- dates of a series. Deleted when no event has named one for a day.
CREATE TABLE pictures (
    digest text NOT NULL, -- of `shared`
    organizer_id uuid NOT NULL, -- whose member uploaded it first
    width integer NOT NULL, -- of `wide`
    height integer NOT NULL,
    small bytea NOT NULL, -- WebP, at most 640 pixels wide
    wide bytea NOT NULL, -- WebP, at most 1600
    shared bytea NOT NULL, -- JPEG, at most 1200
    stored_at timestamptz NOT NULL,
    checked_at timestamptz NOT NULL, -- when it was named last, or found to be shown
    CONSTRAINT pictures_pk PRIMARY KEY (digest),
    CONSTRAINT pictures_organizer_fk FOREIGN KEY (organizer_id) REFERENCES organizers (organizer_id),
    CONSTRAINT pictures_digest_ck CHECK (digest ~ '^[0-9a-f]{32}$'),
    CONSTRAINT pictures_size_ck CHECK (width BETWEEN 1 AND 1600 AND height BETWEEN 1 AND 1600)
);
-- Which pictures nobody has named for a while.
CREATE INDEX pictures_checked_ix ON pictures (checked_at);
-- How many an organizer has stored today.
CREATE INDEX pictures_organizer_ix ON pictures (organizer_id, stored_at);

-- owner: catalogue

-- Which events show a picture that was uploaded.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX events_picture_ix ON events (image_url) WHERE image_url LIKE '/pictures/%';
