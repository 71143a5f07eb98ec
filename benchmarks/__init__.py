"""The product and its peers on the same work, in one run.

Each file with a `main` runs by itself; `--quick` takes under a minute. The other files hold what
those share: the machine, made-up input, and cases.
"""
