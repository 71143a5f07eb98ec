"""The search page of a dataset, on which people find themselves and ask to be taken out."""
