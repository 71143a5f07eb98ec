"""The index of the dataset's present version: opened anew when either has changed."""

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
class Opened:
    """A dataset and its index."""

    dataset: str
    index: str
    _search: Search | None = None
    _seen: tuple[Any, ...] = field(default=())

    def search(self) -> Search:
        """Raises Refused while the index is not that of the dataset's version: it could show who
        was taken out.
        """
        seen = (_changed(Path(self.index) / INDEX), _token(files.join(self.dataset, MANIFEST)))
        if self._search is None or seen != self._seen:
            try:
                opened = open_search(self.index)
                text = files.read_text(files.join(self.dataset, MANIFEST))
                check_version(opened.indexed, parse_manifest(text))
            except (BadIndex, BadManifest, OSError):
                self._search = None
                raise Refused(503, "updating") from None
            self._search, self._seen = opened, seen
        return self._search


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _token(path: str) -> str:
    try:
        return files.ukey(path)
    except OSError:
        return ""
