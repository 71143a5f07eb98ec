"""Datasets of links that exist already: read as input, or known so that their pairs are not taken
again.
"""
