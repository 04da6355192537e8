"""Finished ads that are shown again: which there are, and which of them suits a shopper now."""
