"""Runs of the demonstration and their copies."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Words of the demonstration crawl that neither a ledger nor a log may repeat. The first three
# identify a person: they may be in no public file at all.
PLANTED = (
    "ana.silva",
    "901820",
    "456-1111",
    "noimageai.jpg",
    "artist.example",
    "leaks.example",
    "before and after",
)


@dataclass(frozen=True)
class DemoRun:
    """A finished run of the demonstration."""

    output: Path
    work: Path
    printed: str
    status: int


def copy_of(demo_run: DemoRun, folder: Path) -> Path:
    """A copy of the run's folders `out` and `work`, which a test may change."""
    shutil.copytree(demo_run.output.parent, folder / "copy")
    return folder / "copy"


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """Collect what the block prints. A session fixture has no capsys."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield stream
