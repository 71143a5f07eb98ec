"""Files and parts wherever fsspec reaches: local folders, object stores, memory."""
