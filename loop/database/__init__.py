"""The database that a shop's servers and trainers share: SQLite under the home, or Postgres."""
