"""Pictures: size, faces, nudity, perceptual hashes, and groups of prompts."""
