"""From clicks to a registered version."""
