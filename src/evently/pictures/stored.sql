-- Pictures that were uploaded. They belong to no event, so one serves all dates of a series; on a cluster
-- they stay on the coordinator.

-- name: keep_picture
-- Note that a picture is named now: who deletes pictures waits for this row, and then sees that.
UPDATE pictures SET checked_at = greatest(checked_at, :now) WHERE digest = :digest RETURNING digest;

-- name: count_stored
-- How many pictures of an organizer were stored since an instant, as far as they are still there.
SELECT count(*) FROM pictures WHERE organizer_id = :organizer_id AND stored_at > :since;

-- name: insert_picture
-- Store a picture. Another upload of the same at this moment is the same picture.
INSERT INTO pictures (
    digest, organizer_id, width, height, small, wide, shared, stored_at, checked_at
)
VALUES (:digest, :organizer_id, :width, :height, :small, :wide, :shared, :now, :now)
ON CONFLICT (digest) DO UPDATE SET checked_at = greatest(pictures.checked_at, excluded.checked_at);

-- name: read_picture
-- One size of a picture.
SELECT
    CASE :size::text
        WHEN 'small' THEN small
        WHEN 'wide' THEN wide
        ELSE shared
    END
FROM pictures
WHERE digest = :digest;

-- name: list_unchecked
-- Pictures that were not named or checked for a while (pictures_checked_ix).
SELECT digest
FROM pictures
WHERE checked_at < :before
ORDER BY checked_at
LIMIT :limit;

-- name: note_checked
-- Note that events show these pictures.
UPDATE pictures SET checked_at = greatest(checked_at, :now) WHERE digest = ANY(:digests::text[]);

-- name: delete_unshown
-- Delete pictures that no event shows, unless they were named meanwhile.
DELETE FROM pictures WHERE digest = ANY(:digests::text[]) AND checked_at < :before;
