"""Events from click logs and other pasts."""
