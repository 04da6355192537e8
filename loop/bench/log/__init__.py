"""What reading the event log costs, by how much of it lies before the window."""
