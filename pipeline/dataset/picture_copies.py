"""Finds the rows of a dataset that show the same pictures as rows which are to be erased.

A request names one address, and the picture stands at many. A person looks at what is found,
because near hashes may belong to different pictures, as of one drawing with other words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pairsieve.erasure.decisions import PictureCopy
from pairsieve.erasure.requests import Request
from pairsieve.images.near_hashes import HashIndex
from pairsieve.images.pdq import Hashes, as_hashes, orientations
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.records.row import KEY
from pairsieve.storage import files
from pairsieve.storage.shards import shard_paths
from pipeline.dataset.found_rows import Findings, read_columns
from pipeline.dataset.manifest import read_manifest

URL = "URL"
MAX_SHOWN = 50


def copies_of(dataset: str, findings: Findings) -> list[PictureCopy]:
    """The rows that show the pictures of the rows in `findings`, or pictures that those lead to.

    Only pictures count that requests are about: those of a domain are not looked for elsewhere,
    unless its request says so. Two pictures are the same as for a request by an example: PDQ within
    31 bits, in any orientation, with or without borders. The dataset is read again for as long as
    new copies lead to further rows. Raises NoSuchDataset.
    """
    searched_for = _hashes_in(findings.pictures())
    copies: dict[str, PictureCopy] = {}
    requested_rows = {path: findings.rows_in(path) for path in findings.paths}
    # It ends: each turn searches only for hashes of rows that were not known before.
    while len(searched_for):
        # Both sides of a pair may be turned: it is enough to turn one.
        index = HashIndex.of(_turned(searched_for))
        new_rows: list[Mapping[str, Any]] = []
        for path, row, values in _near_rows(dataset, index):
            if row in requested_rows.get(path, ()) or values[KEY] in copies:
                continue
            copies[values[KEY]] = PictureCopy(values[KEY], values.get(URL) or "")
            new_rows.append(values)
        searched_for = _hashes_in(new_rows)
    return sorted(copies.values())


def _turned(hashes: Hashes) -> Hashes:
    distinct: set[bytes] = set()
    for pdq in hashes:
        distinct.update(orientations(pdq.tobytes()))
    return as_hashes(sorted(distinct))


def _hashes_in(rows: Iterable[Mapping[str, Any]]) -> Hashes:
    """The distinct hashes of rows, (n, 32)."""
    distinct: set[str] = set()
    for row in rows:
        distinct.update(row[name] for name in PDQ_COLUMNS if row.get(name))
    return as_hashes(bytes.fromhex(digits) for digits in sorted(distinct))


def _near_rows(dataset: str, index: HashIndex) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield (shard, number of the row, key, URL and hashes) of the rows that are near an index."""
    manifest = read_manifest(dataset)
    for path in shard_paths(manifest):
        columns = (KEY, URL, *PDQ_COLUMNS)
        table = read_columns(files.join(dataset, path), columns, manifest.columns)
        if KEY not in table.column_names:
            continue  # without a key nobody could confirm it
        rows = np.unique(np.concatenate([_near_in(table, name, index) for name in PDQ_COLUMNS]))
        near = table.take(pa.array(rows, pa.int64())).to_pylist()
        for row, values in zip(rows.tolist(), near, strict=True):
            yield path, row, values


def _near_in(table: pa.Table, name: str, index: HashIndex) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The rows whose hash in a column is near one of the index."""
    if name not in table.column_names:
        return np.empty(0, np.int64)
    column = table.column(name)
    rows = np.flatnonzero(column.is_valid().to_numpy())
    hashes = as_hashes(map(bytes.fromhex, column.drop_null().to_pylist()))
    near: np.ndarray[Any, np.dtype[np.int64]] = rows[index.near(hashes).left]
    return near


def requests_of(copies: Sequence[PictureCopy]) -> list[Request]:
    """A request for each of the rows."""
    return [Request("key", (copy.key,)) for copy in copies]


def copy_list(copies: Sequence[PictureCopy], are_taken: bool) -> str:
    """The copies as text, for the person who looks at them."""
    if not copies:
        return "no other row shows these pictures\n"
    if are_taken:
        head = f"{len(copies)} more rows that show the same pictures:"
    else:
        head = (
            f"{len(copies)} other rows show the same pictures and stay; look at them, and give "
            "--copies take for all, or --confirm KEY for some:"
        )
    lines = [f"{copy.key}  {copy.url}" for copy in copies[:MAX_SHOWN]]
    if len(copies) > MAX_SHOWN:
        lines.append(f"... and {len(copies) - MAX_SHOWN} more")
    return "\n".join([head, *lines]) + "\n"
