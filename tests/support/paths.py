"""Where the repository and the demonstration's config are."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DEMO = REPOSITORY / "configs" / "demo.yaml"
