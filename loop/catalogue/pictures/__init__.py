"""Pictures of products: fetched, decoded, cut out and kept."""
