"""Pages: evidence from their markup and their head."""
