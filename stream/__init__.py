"""Click, impression and exposure events: from Kafka into features."""
