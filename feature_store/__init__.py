"""The Feast repository of adloom and the reads and writes the loop makes on it."""
