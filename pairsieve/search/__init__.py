"""Finding rows of a dataset: by words, by meaning, by an example picture, by address."""
