"""The entry point of Alembic."""

from alembic import context

from evently.db.migrations.runner import run_revisions

run_revisions(context, context.config)  # type: ignore[arg-type]
