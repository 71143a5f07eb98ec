"""The index of the dataset's current version; it is opened anew when either of them changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pairsieve.explore.refused import Refused
from pairsieve.records.manifest import MANIFEST, BadManifest, parse_manifest
from pairsieve.search.find import Search, check_version, open_search
from pairsieve.search.index import INDEX, BadIndex
from pairsieve.storage import files


@dataclass
class CurrentIndex:
    """A dataset and its index, both folders."""

    dataset: str
    index: str
    _search: Search | None = None
    _marks: tuple[Any, ...] = field(default=())
    """They differ once the index or the dataset's manifest was written anew."""

    def search(self) -> Search:
        """Return the open index.

        Raises Refused while the index is not of the dataset's version: it could show people who
        were erased.
        """
        manifest_path = files.join(self.dataset, MANIFEST)
        marks = (_written_at_s(Path(self.index) / INDEX), _mark(manifest_path))
        # The marks are taken before the files are read: a change in between shows next time.
        if self._search is None or marks != self._marks:
            try:
                opened = open_search(self.index)
                manifest = parse_manifest(files.read_text(manifest_path))
                check_version(opened.contents, manifest)
            except (BadIndex, BadManifest, OSError):
                self._search = None
                raise Refused(503, "updating") from None
            self._search, self._marks = opened, marks
        return self._search


def _written_at_s(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _mark(path: str) -> str:
    try:
        return files.ukey(path)
    except OSError:
        return ""
