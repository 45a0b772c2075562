"""Alembic's entry point: runs on the connection it is given."""

from alembic import context

from pushpull.db import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
