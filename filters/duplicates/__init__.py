"""Copies of one picture: which pairs show it, and which pictures belong to evaluation sets."""
