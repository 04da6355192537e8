"""What the loop knows, written as a data set."""
