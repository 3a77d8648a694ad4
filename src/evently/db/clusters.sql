-- name: find_cluster
-- Whether the database has the extension that spreads tables over a cluster.
SELECT to_regprocedure('citus_version()') IS NOT NULL AS is_cluster;
