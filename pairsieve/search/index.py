"""Build the index of a dataset shard by shard, and rebuild only what belongs to changed shards.

INDEX/index.json         what the index holds; written last, so that an interrupted build leaves no
                         index
INDEX/words/             tantivy: captions, addresses, exact values of all shards
INDEX/shards/NNNNN/      perceptual hashes and vectors of one shard
INDEX/pdq/               perceptual hashes of all shards, in the orders in which they are searched
INDEX/lists-MODEL.faiss  short codes of all vectors of a model, if there are many

Each shard is indexed by itself (pairsieve/search/piece.py), by whom the caller chooses.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairsieve.records.manifest import Manifest
from pairsieve.search.effort import (
    MEASURED_QUERIES,
    NEAREST,
    Measured,
    effort_for,
    like_texts,
)
from pairsieve.search.hashes import UNFINISHED, write_tables
from pairsieve.search.piece import WORDS, Shard, piece_name, write_piece
from pairsieve.search.segments import add_segments, remove_shards
from pairsieve.search.sources import Source, Vectors, sources
from pairsieve.search.vectors import (
    SAMPLE_VECTORS,
    Effort,
    Efforts,
    VectorIndex,
    VectorSettings,
    add_to_lists,
    make_lists,
    remove_from_lists,
)
from pairsieve.search.words import row_id

FORMAT = 5
INDEX, SHARDS, HASH_TABLES, LISTS = "index.json", "shards", "pdq", "lists-"
CENTRES = "centres-"  # of format 1
FOLDERS = (WORDS, SHARDS, HASH_TABLES, f"{HASH_TABLES}{UNFINISHED}")

MakePieces = Callable[[Sequence[Shard], Path], None]
"""Makes the piece of each shard, in the local folder that holds those of an index."""


class BadIndex(ValueError):
    """There is no index, or it is not one of this dataset, version or model.

    The message says what to do.
    """


@dataclass(frozen=True)
class IndexContents:
    """The contents of index.json.

    `shards`: each shard and the number under which the index stores it. `spaces`: model -> what a
    query of its vectors reads.
    """

    dataset: str
    version: int
    models: Mapping[str, Any] = field(default_factory=dict)
    shards: Sequence[tuple[Source, int]] = ()
    spaces: Mapping[str, Efforts] = field(default_factory=dict)
    format: int = FORMAT


def read_index(folder: str) -> IndexContents:
    """Read what an index holds. Raises BadIndex."""
    path = Path(folder) / INDEX
    if not path.exists():
        raise BadIndex(f"{folder} holds no finished index; make one with pairsieve index")
    try:
        values = json.loads(path.read_bytes())
        if values.get("format") != FORMAT:  # of an older version, or not an index at all
            raise BadIndex(
                f"{folder} was made by another version of pairsieve; make it anew with pairsieve "
                "index"
            )
        values["shards"] = [(Source(**source), int(number)) for source, number in values["shards"]]
        values["spaces"] = {
            space: Efforts(Effort(**efforts["pictures"]), Effort(**efforts["texts"]))
            for space, efforts in values["spaces"].items()
        }
        contents = IndexContents(**values)
        _check_types(contents)
    except (BadIndex, OSError):
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadIndex(
            f"{path} is cut off or no index of pairsieve; make it anew with pairsieve index"
        ) from None
    return contents


def _check_types(contents: IndexContents) -> None:
    """Raise ValueError for values that `build` does not write.

    The numbers of shards become names of folders.
    """
    if not isinstance(contents.models, Mapping) or not isinstance(contents.spaces, Mapping):
        raise ValueError("models and spaces must be objects")
    if not isinstance(contents.version, int):
        raise ValueError("version must be a number")
    for efforts in contents.spaces.values():
        for effort in (efforts.pictures, efforts.texts):
            if not isinstance(effort.probes, int) or not isinstance(effort.compared, int):
                raise ValueError("what a query reads must be numbers")
    for source, number in contents.shards:
        if number < 0 or not isinstance(source.path, str):
            raise ValueError("a shard needs a path and a number")


def make_pieces(shards: Sequence[Shard], folder: Path) -> None:
    """Make the piece of each shard, one after the other."""
    for shard in shards:
        write_piece(shard, folder / shard.piece)


def build(
    dataset: str,
    manifest: Manifest,
    folder: str,
    settings: VectorSettings,
    make: MakePieces = make_pieces,
) -> tuple[int, int]:
    """Index what changed since the index was made; return (shards indexed, shards in all).

    Raises BadIndex when the folder holds something other than an index.
    """
    root = Path(folder)
    old = _reusable(folder, manifest)
    changes = _compare(old, sources(manifest))
    if old is None:
        _clear(root)
    pieces = root / SHARDS
    pieces.mkdir(parents=True, exist_ok=True)
    (root / WORDS).mkdir(exist_ok=True)
    # From here on the index is unfinished: without index.json nobody opens it.
    (root / INDEX).unlink(missing_ok=True)

    def shard(source: Source) -> Shard:
        return Shard(dataset, source, changes.numbers[source], manifest.columns)

    # New shards get the numbers of those that are gone.
    for number in changes.gone:
        shutil.rmtree(pieces / piece_name(number), ignore_errors=True)
    new = [shard(source) for source in changes.new]
    make(new, pieces)
    _update_words(root / WORDS, pieces, changes.gone, new)
    if old is None or changes.new or changes.gone:
        _write_hashes(root, changes)
    all_shards = [shard(source) for source in changes.numbers]
    spaces = _update_vectors(root, all_shards, changes, settings)
    contents = IndexContents(
        manifest.name,
        manifest.version,
        manifest.models,
        list(changes.numbers.items()),
        spaces,
    )
    (root / INDEX).write_text(json.dumps(asdict(contents)), "utf-8")
    return len(changes.new), len(changes.numbers)


def _write_hashes(root: Path, changes: Changes) -> None:
    """Join the hashes of all shards. Every shard has hashes, also one without vectors."""
    numbers = sorted(changes.numbers.values())
    shards = [(number, root / SHARDS / piece_name(number)) for number in numbers]
    write_tables(root / HASH_TABLES, shards)


def _reusable(folder: str, manifest: Manifest) -> IndexContents | None:
    """Return the old index if it is finished and of the same models."""
    try:
        old = read_index(folder)
    except BadIndex:
        return None
    return old if old.models == manifest.models else None


def _clear(root: Path) -> None:
    """Remove an index that cannot be reused.

    Raises BadIndex when the folder holds something else: files of others are never removed.
    """
    names = sorted(path.name for path in root.iterdir()) if root.exists() else []
    vector_files = [name for name in names if name.startswith((LISTS, CENTRES))]
    others = [name for name in names if name not in (INDEX, *FOLDERS, *vector_files)]
    if others:
        raise BadIndex(
            f"{root} holds {others[0]}, which is not part of an index; name a new folder"
        )
    for name in FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in vector_files:
        (root / name).unlink()


@dataclass(frozen=True)
class Changes:
    """The difference between an old index and a dataset.

    `numbers`: all shards of the dataset and their numbers. `new`: the shards to be indexed. `gone`:
    numbers of shards that the dataset no longer has. `efforts`: model -> what a query of the old
    index reads.
    """

    numbers: Mapping[Source, int]
    new: Sequence[Source]
    gone: Sequence[int]
    efforts: Mapping[str, Efforts]


def _compare(old: IndexContents | None, shards: Sequence[Source]) -> Changes:
    """Compare an old index with the shards of a dataset; give each new shard a free number."""
    old_numbers = dict(old.shards) if old else {}
    current = set(shards)
    kept = {source: number for source, number in old_numbers.items() if source in current}
    gone = [number for source, number in old_numbers.items() if source not in kept]
    used = set(kept.values())
    free = (number for number in count() if number not in used)
    numbers: dict[Source, int] = {}
    new: list[Source] = []
    for source in shards:
        if source in kept:
            numbers[source] = kept[source]
        else:
            numbers[source] = next(free)
            new.append(source)
    return Changes(numbers, new, gone, old.spaces if old else {})


def _update_words(words: Path, pieces: Path, gone: Sequence[int], new: Sequence[Shard]) -> None:
    """Remove the words of shards that are gone, and take over those of new pieces."""
    remove_shards(words, gone)
    folders = [pieces / shard.piece / WORDS for shard in new]
    add_segments(words, folders)
    for folder in folders:
        shutil.rmtree(folder)


def _update_vectors(
    root: Path, all_shards: Sequence[Shard], changes: Changes, settings: VectorSettings
) -> dict[str, Efforts]:
    """Bring the lists of each model up to date; return what a query of it reads."""
    efforts = {}
    for space in sorted({shard.source.space for shard in all_shards if shard.source.space}):
        shards = [shard for shard in all_shards if shard.source.space == space]
        path = root / lists_name(space)
        old_efforts = changes.efforts.get(space)
        rows = sum(shard.source.rows for shard in shards)
        if rows < settings.exact_below:  # few enough to compare every vector
            path.unlink(missing_ok=True)
            efforts[space] = Efforts()
        elif old_efforts is not None and path.exists():
            new = [shard for shard in shards if shard.source in changes.new]
            _update_lists(path, new, changes.gone)
            efforts[space] = old_efforts
        else:
            efforts[space] = _make_lists(path, root / SHARDS, shards, settings)
    return efforts


def _update_lists(path: Path, new: Sequence[Shard], gone: Sequence[int]) -> None:
    """Remove the vectors of shards that are gone from a model's lists, and add those of new ones.

    The centres stay, and with them the measured efforts of a query.
    """
    import faiss

    lists: Any = faiss.read_index(str(path))
    for number in gone:
        remove_from_lists(lists, number)
    for shard in new:
        add_to_lists(lists, shard.number, shard.read_vectors())
    _replace_lists(path, lists)


def _make_lists(
    path: Path, pieces: Path, shards: Sequence[Shard], settings: VectorSettings
) -> Efforts:
    """Write the lists of all shards; return what a query has to read."""
    rows = sum(shard.source.rows for shard in shards)
    lists = make_lists(_sample(shards, SAMPLE_VECTORS), rows)
    for shard in shards:
        add_to_lists(lists, shard.number, shard.read_vectors())
    number_of_lists = lists.nlist
    _replace_lists(path, lists)
    # Their codes are read from the file from here on.
    del lists

    index = VectorIndex([(shard.number, pieces / shard.piece) for shard in shards], path)
    pictures = _sample(shards, MEASURED_QUERIES)[:MEASURED_QUERIES]
    of_pictures = Measured(pictures, _nearest_rows(shards, pictures))
    texts = like_texts(pictures)
    of_texts = Measured(texts, _nearest_rows(shards, texts))
    return Efforts(
        effort_for(index, of_pictures, settings.recall, number_of_lists),
        effort_for(index, of_texts, settings.recall_of_texts, number_of_lists),
    )


def _replace_lists(path: Path, lists: Any) -> None:
    """Write lists atomically: a running search page has the old file mapped into memory."""
    import faiss

    unfinished = path.with_name(f"{path.name}.unfinished")
    faiss.write_index(lists, str(unfinished))
    unfinished.replace(path)


def _sample(shards: Sequence[Shard], size: int) -> Vectors:
    """Return about `size` vectors, evenly from all shards."""
    rows = sum(shard.source.rows for shard in shards)
    step = max(1, rows // size)
    samples = []
    for shard in shards:
        first = 0  # the next row that is taken, counted from the start of the block
        for block in shard.read_vectors():
            samples.append(block[first::step].copy())  # a view would keep the whole block
            first = (first - len(block)) % step
    return np.concatenate(samples)


def _nearest_rows(shards: Sequence[Shard], queries: Vectors) -> NDArray[np.int64]:
    """Return the ids (n, NEAREST) of the true nearest rows of each query, comparing all vectors."""
    best = np.empty((len(queries), 0), np.float32)
    best_ids = np.empty((len(queries), 0), np.int64)
    for shard in shards:
        first = row_id(shard.number, 0)
        for block in shard.read_vectors():
            cosines = np.hstack([best, queries @ block.T])
            of_block = np.arange(first, first + len(block), dtype=np.int64)
            ids = np.hstack([best_ids, np.tile(of_block, (len(queries), 1))])
            most = min(NEAREST, cosines.shape[1])
            nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
            best = np.take_along_axis(cosines, nearest, axis=1)
            best_ids = np.take_along_axis(ids, nearest, axis=1)
            first += len(block)
    return best_ids


def lists_name(space: str) -> str:
    """Return the name of the file of a model's lists."""
    return f"{LISTS}{space}.faiss"
