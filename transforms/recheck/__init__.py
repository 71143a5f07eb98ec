"""Recheck: published rows to what their links serve now, and newer pages to what they refuse."""
