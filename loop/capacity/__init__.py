"""How much of everything a load takes, reckoned from what was measured."""
