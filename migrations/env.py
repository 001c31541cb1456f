"""Runs the migrations of one of the catalog's databases on the connection that drorch/catalog/migrate.py hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
