"""One member of the consumer group: its partitions, where each reads on, and its condition."""
