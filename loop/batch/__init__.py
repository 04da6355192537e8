"""Ads for many shoppers at once, into files: drawn in full batches, gone on with after any stop."""
