"""What trains the models."""
