"""The records and columns of all four stages, each defined once."""
