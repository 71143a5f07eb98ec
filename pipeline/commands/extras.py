"""What a command needs beyond the base install, named before it is missed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDED = {
    "search": ("faiss", "tantivy"),
    "explore": (
        "faiss",
        "tantivy",
        "fastapi",
        "itsdangerous",
        "limits",
        "python_multipart",
        "uvicorn",
    ),
}


def lacks(extra: str) -> bool:
    """Whether an extra is not installed; says how to install it."""
    missing = [name for name in NEEDED[extra] if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"pairsieve: {', '.join(missing)} not installed: pip install 'pairsieve[{extra}]'\n"
        )
    return bool(missing)
