"""What is said while a run is under way: progress, logs, metrics."""
