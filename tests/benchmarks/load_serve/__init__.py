"""What does the ad server sustain? `python -m tests.benchmarks.load_serve`."""
