"""Alembic's environment and the migrations of the database. A package, so that an installed wheel carries them."""
