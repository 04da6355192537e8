"""The demo: a shop, its shoppers, and a run of the whole loop."""
