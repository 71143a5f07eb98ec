"""Names what a command needs beyond the base install, before an import of it fails."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDED = {
    "hub": ("huggingface_hub",),
    "search": ("faiss", "tantivy"),
    "explore": (
        "faiss", "tantivy", "fastapi", "itsdangerous", "limits", "python_multipart", "uvicorn",
    ),
}  # fmt: skip
"""Extra -> modules that it installs."""


def lacks(extra: str) -> bool:
    """Whether an extra is not installed; if so, say on stderr how to install it."""
    missing = [name for name in NEEDED[extra] if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"pairsieve: {', '.join(missing)} not installed: pip install 'pairsieve[{extra}]'\n"
        )
    return bool(missing)
