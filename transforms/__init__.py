"""Beam transforms, one a file: thin wiring over functions that need no Beam."""
