"""Existing datasets of links: read as input, or as known pairs that are left out of a dataset."""
