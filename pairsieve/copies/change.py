"""Changes files of a copy that belong together all at once: kill -9 anywhere leaves no half change.

New files are written to `unfinished-follow/` first. The file COMMIT there is the point of no
return. Before it a crash leaves everything as it was; after it the next command finishes the
change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from pairsieve.records.manifest import MANIFEST
from pairsieve.storage import files
from pairsieve.storage.marked import mark, remove_ours
from pairsieve.storage.names import LeadsOut, check_names
from pairsieve.storage.sealed import Damaged

STAGING, COMMIT = "unfinished-follow", "COMMIT"

Write = Callable[[IO[bytes]], None]
"""Writes the new content of a file."""


@dataclass
class Change:
    """New contents of files, and files to remove; paths are relative to the copy."""

    written: dict[str, Write] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes) -> None:
        """Give a file new content."""
        self.written[path] = lambda stream: _write(stream, content)


def _write(stream: IO[bytes], content: bytes) -> None:
    stream.write(content)


def stage(copy: str, written: Mapping[str, Write]) -> None:
    """Write new files beside the copy's own. Raises NotOurs where a folder is in the way."""
    staging = files.join(copy, STAGING)
    mark(staging)
    for path, write in written.items():
        with files.open_whole(files.join(staging, path)) as stream:
            write(stream)


def commit(copy: str, moved: Sequence[str], removed: Sequence[str]) -> None:
    """Put what was staged in place, and remove what is to go."""
    plan = json.dumps({"moved": list(moved), "removed": list(removed)})
    files.write_text(files.join(copy, STAGING, COMMIT), plan + "\n")
    recover(copy)


def recover(copy: str) -> None:
    """Finish a change that has its COMMIT, and drop one that has not. Raises Damaged."""
    staging = files.join(copy, STAGING)
    if not files.exists(files.join(staging, COMMIT)):
        remove_ours(staging)
        return
    moved, removed = _plan(copy, staging)
    if MANIFEST in moved:
        # A reader who waits for the manifest never sees a mixture.
        files.remove_file(files.join(copy, MANIFEST))
    for path in removed:
        files.remove_file(files.join(copy, path))
    # The manifest comes last.
    for path in sorted(moved, key=lambda path: path == MANIFEST):
        # An earlier attempt may have moved it already.
        if files.exists(files.join(staging, path)):
            files.move(files.join(staging, path), files.join(copy, path))
    files.remove_file(files.join(staging, COMMIT))
    remove_ours(staging)


def _plan(copy: str, staging: str) -> tuple[list[str], list[str]]:
    path = files.join(staging, COMMIT)
    try:
        plan = json.loads(files.read_text(path))
        moved, removed = list(plan["moved"]), list(plan["removed"])
        check_names(copy, [*moved, *removed])
        check_names(staging, moved)
    except (ValueError, TypeError, KeyError, LeadsOut):
        raise Damaged(
            path, f"Move {staging} away and get the copy anew: files of it may not fit together"
        ) from None
    return moved, removed
