"""Taking people out again: what they ask for, what matches, and tombstones that keep it out."""
