"""The pluggable stage: detectors add evidence, rules decide on it."""
