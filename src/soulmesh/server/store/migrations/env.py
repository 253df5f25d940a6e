"""Run by Alembic: apply the migrations on the connection that the store passes in."""

from __future__ import annotations

from alembic import context

from soulmesh.server.store.schema import metadata


def run() -> None:
    """Bring the tables up to date."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


# Alembic executes this file; whoever merely imports it is not asked to migrate anything.
if hasattr(context, "config"):
    run()
