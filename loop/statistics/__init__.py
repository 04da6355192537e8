"""Estimates, intervals and tests over plain arrays; nothing here knows of events or settings."""
