"""Web archives: reads WARC files from the front, or single records at known offsets."""
