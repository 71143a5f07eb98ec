"""Heads: small networks on CLIP's picture vectors, each of which fits one model only."""
