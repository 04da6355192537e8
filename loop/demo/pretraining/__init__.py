"""Training from nothing: the bundled demo model, and the encoder that its ads are judged with."""
