"""Writing in pictures: documents of persons, watermarks, and captions that only repeat it."""
