"""CLIP: which model, its two towers, and the handler that scores a part."""
