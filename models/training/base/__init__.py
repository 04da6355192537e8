"""Training a base on a data set: LoRA on the language model, and the modules around it whole."""
