"""Who is forgotten or left alone, and what of their events is taken in no more."""
