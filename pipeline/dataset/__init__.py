"""The dataset: its manifest, card, report, metadata, and how it is put in place and changed."""
