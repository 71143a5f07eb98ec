"""Balance of what captions speak of, as MetaCLIP keeps it."""
