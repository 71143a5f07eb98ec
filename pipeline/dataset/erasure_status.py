"""What is kept and shown of erasures: the outcome of each request under its receipt, and counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pairsieve.erasure import feed as feeds
from pairsieve.erasure.requests import Request
from pairsieve.erasure.tombstones import read_tombstones
from pairsieve.storage import files
from pipeline.dataset.found_rows import Findings
from pipeline.dataset.manifest import read_manifest

STATUS = "status.json"
MAX_REQUESTS_SHOWN = 50


def write_status(tombstones: str, findings: Findings, requests: Sequence[Request]) -> None:
    """Add the outcome of each request under its receipt, and nothing of what it was about."""
    earlier = _read_status(tombstones)["requests"]
    outcomes = []
    rows_of, shards_of = findings.found.rows_of, findings.found.shards_of
    for number, request in enumerate(requests):
        outcomes.append(
            {
                "receipt": request.receipt,
                "kind": request.kind,
                "rows": rows_of[number],
                "shards": shards_of[number],
                "version": findings.version,
            }
        )
    content = {
        "requests": [*earlier, *outcomes],
        "last_verification": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": findings.version,
    }
    path = files.join(tombstones, STATUS)
    files.write_private(path, json.dumps(content, indent=1) + "\n")


def _read_status(tombstones: str) -> dict[str, Any]:
    path = files.join(tombstones, STATUS)
    if not files.exists(path):
        return {"requests": [], "last_verification": "never"}
    content: dict[str, Any] = json.loads(files.read_text(path))
    return content


def status(dataset: str, tombstones: str) -> str:
    """Requests, rows, shards and the last verification, as text.

    Raises NoSuchDataset, NoTombstones.
    """
    manifest = read_manifest(dataset)
    stones = read_tombstones(tombstones)
    history = _read_status(tombstones)
    rows = sum(erasure.rows for erasure in manifest.erasures)
    shards = sum(erasure.shards for erasure in manifest.erasures)
    tokens = sum(map(len, stones.tokens.values()))
    lines = [
        f"version {manifest.version} of {manifest.name or dataset}",
        f"{len(history['requests'])} requests, {rows} rows taken out of {shards} shards",
        f"{tokens} tombstones under {len(stones.tokens)} keys, {len(stones.pdq)} perceptual hashes",
        f"last verification {history['last_verification']}",
    ]
    public_key = files.join(tombstones, feeds.PUBLIC_KEY)
    if files.exists(public_key):
        lines.append(f"public key of the feed {files.read_text(public_key).strip()}")
    return "\n".join(lines) + "\n"


def summary(findings: Findings, requests: Sequence[Request], what_happened: str) -> str:
    """The findings as text: one line a request, and a last line for scripts."""
    lines = [f"{'request':<10}{'kind':<12}{'rows':>9}{'shards':>8}  receipt"]
    rows_of, shards_of = findings.found.rows_of, findings.found.shards_of
    for number, request in enumerate(requests[:MAX_REQUESTS_SHOWN]):
        counts = f"{rows_of[number]:>9}{shards_of[number]:>8}"
        line = f"{number + 1:<10}{request.kind:<12}{counts}  {request.receipt}"
        lines.append(line.rstrip())
    if len(requests) > MAX_REQUESTS_SHOWN:
        lines.append(f"... and {len(requests) - MAX_REQUESTS_SHOWN} more")
    # Copies and datasets of others may lack columns: say which requests cannot be answered.
    unsearched = sorted(findings.missing & {"sha256", "md5", "pdq", "page_url"})
    if unsearched:
        lines.append(
            f"the dataset has no {', '.join(unsearched)}: requests by these find nothing in it"
        )
    lines.append(
        f"{findings.number} rows in {len(findings.paths)} shards {what_happened}; "
        f"version {findings.version}"
    )
    return "\n".join(lines) + "\n"
