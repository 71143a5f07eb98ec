"""Helpers that several tests and benchmarks share, one topic a module."""
