-- owner: catalogue

-- What the dates of a series have in common. There is no table of series: a series is its dates.
ALTER TABLE events ADD COLUMN series_id uuid;

-- The dates of a series.
CREATE INDEX events_series_ix ON events (series_id, starts_at, event_id) WHERE series_id IS NOT NULL;
