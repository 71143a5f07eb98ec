"""Reads what lies in an output directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from warcio.archiveiterator import ArchiveIterator

from tests.support.paths import REPOSITORY


def hashes(folder: Path) -> dict[str, str]:
    """Every file below a folder with its sha256."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def manifest_of(output: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((output / "manifest.json").read_text())
    return manifest


def counts_of(output: Path) -> dict[str, Any]:
    """stage -> unit -> entered, kept, dropped and quarantined, from the manifest."""
    counts: dict[str, Any] = manifest_of(output)["counts"]
    return counts


def rows_of(output: Path) -> list[dict[str, Any]]:
    """All published rows."""
    rows: list[dict[str, Any]] = []
    for path in sorted(output.glob("dataset/*/*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


def picture_of(row: Mapping[str, Any], folder: Path) -> Path:
    """The picture of a published row, taken out of the demonstration crawl into a file."""
    crawl = REPOSITORY / "configs" / "demo" / "crawl.warc.gz"
    with crawl.open("rb") as stream:
        for record in ArchiveIterator(stream):
            url = record.rec_headers.get_header("WARC-Target-URI")
            if url == row["URL"] and record.rec_type == "response":
                path = folder / "example.png"
                path.write_bytes(record.content_stream().read())
                return path
    raise AssertionError(f"the crawl holds no picture of {row['URL']}")
