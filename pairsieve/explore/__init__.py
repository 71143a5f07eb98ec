"""The search page of a dataset, on which people find their pictures and ask for their removal."""
