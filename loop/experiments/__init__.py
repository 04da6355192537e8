"""Experiments: arms that serve side by side, and what their clicks prove."""
