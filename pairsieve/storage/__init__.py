"""Files, parts, locks and secrets, on local disks and in object stores (through fsspec)."""
