-- name: read_clock
-- The clock of the database.
SELECT clock_timestamp();

-- name: use_little_memory
-- Make the next statement of this transaction write its rows to a file.
SELECT set_config('work_mem', '64kB', true);

-- name: write_file
-- Write about a third of a megabyte to a temporary file, which fails on a full disk. Nothing else does that
-- without leaving rows: an update of a row fits into a page that has space.
SELECT count(*) FROM generate_series(1, 10000);
