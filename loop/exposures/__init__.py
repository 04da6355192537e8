"""Exposures that count once the shop tells that the ad was shown."""
