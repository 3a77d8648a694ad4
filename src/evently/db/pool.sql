-- Settings of one transaction. They end with it, so that a connection of the pool keeps none.

-- name: avoid_nested_loops
-- Let the planner use no nested loop in this transaction.
SELECT set_config('enable_nestloop', 'off', true);
