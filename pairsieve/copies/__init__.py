"""Copies of a dataset that others hold: finding erased rows in them, and taking these out."""
