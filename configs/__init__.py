"""One YAML file, one reproducible run."""
