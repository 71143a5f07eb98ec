"""Compares the pictures of all samples: which pairs show the same one, and which stands for it."""
