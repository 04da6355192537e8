"""A base model of one's own: built from public checkpoints, trained, merged, registered."""
