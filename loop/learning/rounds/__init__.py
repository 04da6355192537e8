"""Rounds of learning: what is due, planned, trained and recorded."""
