"""Web archives: WARC files read from the front, or one record at a known offset."""
