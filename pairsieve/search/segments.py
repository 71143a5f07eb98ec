"""Put the words of pieces into one tantivy index without reading them again.

A tantivy index is a set of segments. Each is some files whose name no other segment has, and
`meta.json` lists the segments of an index. So the segments of several indexes with the same schema
become one index when their files lie in one folder and its `meta.json` lists them all. In Rust,
tantivy merges indexes in this way; its Python binding has no such call.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tantivy

from pairsieve.search.words import HEAP_BYTES, open_words

META, MANAGED = "meta.json", ".managed.json"
MAX_SEGMENTS = 32
"""A query looks for its words in each segment. Up to here that costs less than a merge gains."""


def remove_shards(words: Path, numbers: Sequence[int]) -> None:
    """Remove the rows of shards from an index of words, which is made if there is none."""
    index = open_words(str(words), make=True)
    if not numbers:
        return
    writer = index.writer(HEAP_BYTES)
    for number in numbers:
        writer.delete_documents_by_query(tantivy.Query.term_query(index.schema, "shard", number))
    _finish(writer)


def add_segments(words: Path, folders: Iterable[Path]) -> None:
    """Move the segments of the indexes in `folders` into the index `words`."""
    meta = _read(words / META)
    # The files that tantivy may remove when a merge has made them needless.
    managed = set(_read(words / MANAGED))
    for folder in folders:
        of_piece = _read(folder / META)
        meta["segments"] += of_piece["segments"]
        meta["opstamp"] = max(meta["opstamp"], of_piece["opstamp"])
        for name in _read(folder / MANAGED):
            # A merge within the piece has removed the files of the segments that it merged.
            if name != META and (folder / name).exists():
                (folder / name).rename(words / name)
                managed.add(name)
    _write(words / MANAGED, sorted(managed))
    _write(words / META, meta)
    if len(meta["segments"]) > MAX_SEGMENTS:
        _finish(open_words(str(words)).writer(HEAP_BYTES))


def _finish(writer: Any) -> None:
    """Commit, upon which tantivy merges segments of about the same size, and wait for it."""
    writer.commit()
    writer.wait_merging_threads()


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), "utf-8")
