"""Events in: models, producer, consumer, dead letter, local broker."""
