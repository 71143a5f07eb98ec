"""The product and its peers on the same work, in one run.

Each file runs by itself; `--quick` takes under a minute.
"""
