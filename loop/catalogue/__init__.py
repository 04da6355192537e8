"""Products, feeds, pictures and creatives of a shop."""
