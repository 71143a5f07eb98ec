"""Fetch: pairs to pictures, part by part and lane by lane."""
