"""Search of a dataset's rows: by words, by meaning, by an example picture, by address."""
