"""Words that titles may use, and what to know of names."""
