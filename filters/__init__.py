"""The pluggable stage: detectors observe, rules decide."""
