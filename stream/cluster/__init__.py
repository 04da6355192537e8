"""Asking the cluster: is it there, does it let us in, what may we do, and its refusals in words."""
