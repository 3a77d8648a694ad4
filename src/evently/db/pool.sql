-- Settings of one transaction. They end with it, so that a connection of the pool keeps none.

-- name: join_by_hash
-- Let the planner use no nested loop in this transaction.
SELECT set_config('enable_nestloop', 'off', true);
