"""Changes of the tables, the oldest first; Alembic runs those that a database lacks."""
