"""The command, its config, and the four stages laid out."""

__version__ = "0.1.0"
