"""Makers of the demonstration data: generated pictures, a small CLIP trained on them, and a crawl."""
