"""How an experiment is told: over days, by shopper and product, adjusted, planned; as a page."""
