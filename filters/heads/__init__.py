"""Heads: small networks on CLIP's picture vectors, each made for one model and for no other."""
