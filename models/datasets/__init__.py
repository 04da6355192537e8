"""Data sets of clicked ads on disk: PAd1M's own format, and shards that training reads."""
