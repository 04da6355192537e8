"""Benchmarks: each runs its baseline beside it, in the same run, and reports the ratio."""
