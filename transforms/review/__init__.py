"""The release check: looks at every published row, shard by shard."""
