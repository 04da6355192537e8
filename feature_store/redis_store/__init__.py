"""Feast's Redis online store: one server, a master that Sentinels watch, or a cluster."""
