"""An erasure: finds rows shard by shard, and writes the shards that hold some without them."""
