"""The finished ad in the sizes that feeds, stories and pages ask for."""
