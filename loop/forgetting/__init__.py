"""Users out of all that adloom keeps, and what is older than it may be."""
