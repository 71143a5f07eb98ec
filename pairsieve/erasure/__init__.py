"""Erasure of people's pictures: requests, the rows that they match, and tombstones."""
