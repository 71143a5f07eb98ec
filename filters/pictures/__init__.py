"""Pictures: size, faces, nudity, perceptual hashes, prompt groups."""
