"""What flows through the four stages: every record and every column, defined once."""
