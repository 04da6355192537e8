"""The demo shop: products, scenes, copy and simulated shoppers."""
