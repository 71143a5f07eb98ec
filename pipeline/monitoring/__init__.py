"""Shows the state of a run: progress, logs, metrics."""
