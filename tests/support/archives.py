"""Three small WARC records, and what a reader gives of an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Page
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.splits import Split
from tests.support.warcs import page
from transforms.read import InputSettings, split_input

SETTINGS = ReadSettings(max_page_bytes=10_000, locate=True)


def read(folder: Path, content: bytes, settings: ReadSettings = SETTINGS) -> list[object]:
    """Everything that the reader gives of a file with this content."""
    path = folder / "x.warc.gz"
    path.write_bytes(content)
    return list(read_file(path, settings))


def read_file(
    path: Path, settings: ReadSettings = SETTINGS, split_bytes: int | None = None
) -> Iterator[object]:
    for found in split_input(str(path), InputSettings(split_bytes=split_bytes), {}):
        yield from read_split(found, settings) if isinstance(found, Split) else [found]


def pages(found: Iterable[object]) -> list[str]:
    return [item.url for item in found if isinstance(item, Page)]


def problems(found: Iterable[object]) -> list[tuple[str, str]]:
    """What could not be read or was no good page, but not the records that are something else."""
    return [
        (item.unit, item.reason)
        for item in found
        if isinstance(item, Rejection) and (item.unit, item.outcome) != ("record", "dropped")
    ]


A, B, C = (page(f"https://{name}.example/") for name in "abc")


ALL = ["https://a.example/", "https://b.example/", "https://c.example/"]
