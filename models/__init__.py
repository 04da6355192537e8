"""Everything with tensors or vectors: retrieval, preference, generation."""
