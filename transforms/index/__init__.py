"""Index the shards of a dataset."""
