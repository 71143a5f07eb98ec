"""The index of a dataset: built shard by shard, and anew only for shards that have changed.

INDEX/index.json         what is in it: written last, so that an index that is not finished is none
INDEX/words/             tantivy
INDEX/shards/NNNNN/      perceptual hashes and vectors of one shard
INDEX/lists-MODEL.faiss  where there are many: short codes of all vectors
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import tantivy

from pairsieve.records.manifest import Manifest
from pairsieve.search.hashes import write_hashes
from pairsieve.search.rows import READ, batches, entry
from pairsieve.search.sources import Source, Vectors, read_vectors, sources
from pairsieve.search.vectors import (  # fmt: skip
    NEAREST,
    PROBED,
    SAMPLE_VECTORS,
    VectorIndex,
    VectorSettings,
    add_to_lists,
    make_lists,
    probes_for,
    remove_from_lists,
    write_vectors,
)
from pairsieve.search.words import HEAP_BYTES, document, open_words, row_id
from pairsieve.storage import files

FORMAT = 2
INDEX, WORDS, SHARDS, LISTS = "index.json", "words", "shards", "lists-"
CENTRES = "centres-"  # of format 1


class BadIndex(ValueError):
    """There is no index, or not one of this dataset, version or model; the message says what to
    do.
    """


@dataclass(frozen=True)
class Indexed:
    """What index.json says.

    `shards`: source -> its number. `spaces`: model -> how many lists are looked into (0: all
    vectors).
    """

    dataset: str
    version: int
    models: Mapping[str, Any] = field(default_factory=dict)
    shards: Sequence[tuple[Source, int]] = ()
    spaces: Mapping[str, int] = field(default_factory=dict)
    format: int = FORMAT


def read_index(folder: str) -> Indexed:
    """What an index holds. Raises BadIndex."""
    path = Path(folder) / INDEX
    if not path.exists():
        raise BadIndex(f"{folder} holds no finished index; make one with pairsieve index")
    try:
        said = json.loads(path.read_bytes())
        if said.get("format") != FORMAT:
            raise BadIndex(
                f"{folder} was made by another version of pairsieve; make it anew with pairsieve "
                "index"
            )
        shards = [(Source(**source), int(number)) for source, number in said["shards"]]
        return _checked(Indexed(**{**said, "shards": shards}))
    except (BadIndex, OSError):
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadIndex(
            f"{path} is cut off or no index of pairsieve; make it anew with pairsieve index"
        ) from None


def _checked(said: Indexed) -> Indexed:
    """Raise ValueError for values of other types than we write: the index is read, and its numbers
    name folders.
    """
    is_ours = (
        isinstance(said.models, Mapping)
        and isinstance(said.spaces, Mapping)
        and isinstance(said.version, int)
    )
    if not is_ours or any(
        number < 0 or not isinstance(source.path, str) for source, number in said.shards
    ):
        raise ValueError("not what we write")
    return said


def build(
    dataset: str,
    manifest: Manifest,
    folder: str,
    settings: VectorSettings,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, int]:
    """Index what has changed since the index was made; (shards indexed, shards in all). `tell`:
    rows done, rows to do.

    Raises BadIndex where the folder holds something else than an index.
    """
    wanted = sources(manifest)
    before = _reusable(folder, manifest)
    kept = (
        {source: number for source, number in before.shards if source in wanted} if before else {}
    )
    place = Path(folder)
    if before is None:
        _clear(place)
    (place / SHARDS).mkdir(parents=True, exist_ok=True)
    (place / WORDS).mkdir(exist_ok=True)
    (place / INDEX).unlink(missing_ok=True)
    fresh = iter(n for n in range(len(wanted) + len(kept) + 1) if n not in set(kept.values()))
    numbers = {source: kept[source] if source in kept else next(fresh) for source in wanted}
    new = [source for source in wanted if source not in kept]
    gone = [number for source, number in (before.shards if before else ()) if source not in wanted]
    _write_rows(
        dataset,
        manifest.columns,
        place,
        [(source, numbers[source]) for source in new],
        gone,
        tell,
    )
    spaces = _write_vectors(
        dataset, place, numbers, Changes(new, gone, before.spaces if before else {}), settings
    )
    said = Indexed(
        manifest.name,
        manifest.version,
        manifest.models,
        list(numbers.items()),
        spaces,
    )
    (place / INDEX).write_text(json.dumps(asdict(said)), "utf-8")
    return len(new), len(wanted)


def _clear(place: Path) -> None:
    """Remove an index that is of no use.

    Raises BadIndex where the folder holds something else: nothing of others is removed.
    """
    found = sorted(path.name for path in place.iterdir()) if place.exists() else []
    vectors = [name for name in found if name.startswith((LISTS, CENTRES))]
    others = [name for name in found if name not in (INDEX, WORDS, SHARDS, *vectors)]
    if others:
        raise BadIndex(
            f"{place} holds {others[0]}, which is no part of an index; name a new folder"
        )
    for name in (WORDS, SHARDS):
        shutil.rmtree(place / name, ignore_errors=True)
    for name in vectors:
        (place / name).unlink()


def _reusable(folder: str, manifest: Manifest) -> Indexed | None:
    """The index that is there, where it is a whole one of the same models."""
    try:
        before = read_index(folder)
    except BadIndex:
        return None
    return before if before.models == manifest.models else None


def _write_rows(
    dataset: str,
    names: Mapping[str, str],
    place: Path,
    new: Sequence[tuple[Source, int]],
    gone: Sequence[int],
    tell: Callable[[int, int], None],
) -> None:
    total, done = sum(source.rows for source, _ in new), 0
    index = open_words(str(place / WORDS), make=True)
    writer = index.writer(HEAP_BYTES)
    for number in gone:
        writer.delete_documents_by_query(tantivy.Query.term_query(index.schema, "shard", number))
        shutil.rmtree(_folder(place, number), ignore_errors=True)
    for source, number in new:
        hashes, row_number = list[tuple[int, str]](), 0
        for batch in batches(files.join(dataset, source.path), READ, names):
            for row in batch.to_pylist():
                writer.add_document(
                    document(row_id(number, row_number), number, entry(row, source.subset))
                )
                if row.get("pdq"):
                    hashes.append((row_number, row["pdq"]))
                row_number += 1
            tell(done + row_number, total)
        done += row_number
        shard = _folder(place, number)
        shard.mkdir(exist_ok=True)
        write_hashes(shard, hashes)
    writer.commit()
    writer.wait_merging_threads()


def _folder(place: Path, number: int) -> Path:
    return place / SHARDS / f"{number:05d}"


@dataclass(frozen=True)
class Changes:
    """What is new in an index, the numbers of shards that are in it no longer, and how many lists
    were looked into before.
    """

    new: Sequence[Source]
    gone: Sequence[int]
    before: Mapping[str, int]


def _write_vectors(
    dataset: str,
    place: Path,
    numbers: Mapping[Source, int],
    changes: Changes,
    settings: VectorSettings,
) -> dict[str, int]:
    """Vectors of each model; how many lists are looked into."""
    spaces = {}
    for space in sorted({source.space for source in numbers if source.space}):
        shards = [
            Vectored(dataset, source, number, place)
            for source, number in numbers.items()
            if source.space == space
        ]
        new = [shard for shard in shards if shard.source in changes.new]
        for shard in new:
            write_vectors(shard.folder, shard.read())
        spaces[space] = _write_lists(
            place / lists_name(space),
            shards,
            new,
            changes.gone,
            changes.before.get(space),
            settings,
        )
    return spaces


@dataclass(frozen=True)
class Vectored:
    """A shard with vectors, and where they go."""

    dataset: str
    source: Source
    number: int
    place: Path

    @property
    def folder(self) -> Path:
        return _folder(self.place, self.number)

    def read(self) -> Vectors:
        """(n, d), as they were published."""
        return read_vectors(self.dataset, self.source)


def _write_lists(
    path: Path,
    shards: Sequence[Vectored],
    new: Sequence[Vectored],
    gone: Sequence[int],
    before: int | None,
    settings: VectorSettings,
) -> int:
    """The lists where there are enough rows for them: with what has changed, or made anew. How many
    of them are to be looked into.
    """
    rows = sum(shard.source.rows for shard in shards)
    if rows < settings.exact_below:
        path.unlink(missing_ok=True)
        return 0
    is_there = before is not None and path.exists()
    lists: Any = (
        faiss.read_index(str(path))
        if is_there
        else make_lists(_sampled(shards, SAMPLE_VECTORS), rows)
    )
    for number in gone if is_there else ():
        remove_from_lists(lists, number)
    for shard in new if is_there else shards:
        add_to_lists(lists, shard.number, shard.read())
    unfinished = path.with_name(f"{path.name}.unfinished")
    faiss.write_index(lists, str(unfinished))
    unfinished.replace(path)  # a search page that is running has the old one mapped
    return (
        before
        if is_there and before is not None
        else _measured(path, shards, settings.recall, lists.nlist)
    )


def _sampled(shards: Sequence[Vectored], most: int) -> Vectors:
    """About so many vectors, evenly from all shards."""
    rows = sum(shard.source.rows for shard in shards)
    step = max(1, rows // most)
    return np.concatenate([shard.read()[::step] for shard in shards if shard.source.rows])


def _measured(path: Path, shards: Sequence[Vectored], recall: float, lists: int) -> int:
    """How many lists must be looked into, by queries whose true neighbours are known."""
    queries = _sampled(shards, PROBED)[:PROBED]
    best: list[list[tuple[float, int, int]]] = [[] for _ in queries]
    for shard in shards:
        cosines = queries @ shard.read().T
        for n, row in enumerate(np.argsort(-cosines, axis=1)[:, :NEAREST]):
            best[n] += [(float(cosines[n, at]), shard.number, int(at)) for at in row]
    exact = [
        {(number, at) for _, number, at in sorted(found, reverse=True)[:NEAREST]} for found in best
    ]
    return probes_for(
        VectorIndex([(shard.number, shard.folder) for shard in shards], path),
        exact,
        queries,
        recall,
        lists,
    )


def lists_name(space: str) -> str:
    """The file of a model's lists."""
    return f"{LISTS}{space}.faiss"
