"""What a version carries for whoever looks at it in MLflow: clicks, judgement, card."""
