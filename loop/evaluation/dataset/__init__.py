"""Judging a base or an adapter on the held-out records of a data set."""
