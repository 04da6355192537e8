"""Training a base on a data set: what is refused, what MLflow keeps of it, and what comes out."""
