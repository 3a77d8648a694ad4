-- owner: sales

-- Facts of old journals in files: a row whose facts are NULL has them in a file.
-- squawk-ignore ban-drop-not-null
ALTER TABLE journal ALTER COLUMN facts DROP NOT NULL;

-- The files with the facts of archived journals. Only inserted, and deleted when the facts are restored.
CREATE TABLE journal_files (
    event_id uuid NOT NULL,
    first_seq bigint NOT NULL, -- of the rows in the file
    last_seq bigint NOT NULL,
    name text NOT NULL, -- in the directory of archived journals
    size bigint NOT NULL, -- bytes
    digest bytea NOT NULL, -- sha256 of the file
    archived_at timestamptz NOT NULL,
    CONSTRAINT journal_files_pk PRIMARY KEY (event_id, first_seq),
    CONSTRAINT journal_files_sale_fk FOREIGN KEY (event_id) REFERENCES sales (event_id) ON DELETE CASCADE,
    CONSTRAINT journal_files_rows_ck CHECK (first_seq BETWEEN 1 AND last_seq),
    CONSTRAINT journal_files_digest_ck CHECK (length(digest) = 32 AND size > 0)
);
