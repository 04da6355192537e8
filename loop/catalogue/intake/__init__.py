"""Products into the catalogue: feeds, the topic, and what an import does."""
