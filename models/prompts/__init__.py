"""What a model is asked: the instruction in the product's language, and the tokens it becomes."""
