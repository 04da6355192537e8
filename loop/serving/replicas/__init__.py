"""Many ad servers behind one address, on Ray Serve."""
