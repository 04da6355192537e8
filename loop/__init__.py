"""What makes the loop run: commands, serving, training rounds, registry, demo shop."""
