"""Which files of a copy belong together, by the names that the tools of this field give them.

00000.parquet 00000.tar 00000/000000001.{jpg,json,txt}    img2dataset, webdataset
metadata/metadata_0.parquet img_emb/img_emb_0.npy text_emb/text_emb_0.npy    clip-retrieval
dataset/en/part-0.parquet embeddings/en/part-0.npy    ours
part-0.parquet part-0.npy    others
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.manifest import MANIFEST
from pairsieve.storage.shards import DELTAS

TABLES, ARCHIVES, VECTORS = (".parquet", ".arrow"), (".tar", ".tar.gz", ".tgz"), ".npy"
RECORD, INDEX, ARROW = ".json", ".index", ".arrow"
# They hold counts, or what we wrote ourselves, and no rows.
_WITHOUT_ROWS = re.compile(
    rf"(.*/)?(README[^/]*|LICENSE[^/]*|\.git[^/]*|[^/]*_stats\.json|\.pairsieve[^/]*"
    rf"|\.made-by-pairsieve|\.pairsieve\.locks/.*)|{re.escape(MANIFEST)}|({DELTAS}|{LEDGER_FOLDER})/.*"
)


@dataclass(frozen=True)
class Group:
    """Files that are changed together.

    `table` is a path, or empty. `vectors` have one vector for each row of the table. `archives` are
    tar files, and `loose` the files of img2dataset's folder, whose samples may be the table's rows.
    `keeps_positions`: something refers to rows by their number, so rows are made empty and stay.
    """

    table: str = ""
    vectors: Sequence[str] = ()
    archives: Sequence[str] = ()
    loose: Sequence[str] = ()
    keeps_positions: bool = False


@dataclass
class Layout:
    """The groups of a copy, and its files that nothing is known of."""

    groups: list[Group] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def layout_of(paths: Iterable[str]) -> Layout:
    """Sort the files of a copy, given as paths relative to it, into groups."""
    left = {path: None for path in sorted(paths) if not _WITHOUT_ROWS.fullmatch(path)}
    indexes = [path for path in left if path.endswith(INDEX)]
    for index in indexes:
        # autofaiss describes an index in a JSON of the same name.
        for path in (index, index.removesuffix(INDEX) + RECORD):
            left.pop(path, None)
    index_folders = set(map(_folder, indexes))
    layout = Layout()
    folders = _by_folder(left)
    for table in [path for path in left if path.endswith(TABLES)]:
        stem = table.removesuffix(".parquet").removesuffix(ARROW)
        group = Group(
            table=table,
            vectors=[path for path in _vector_paths(stem) if path in left],
            archives=[stem + suffix for suffix in ARCHIVES if stem + suffix in left],
            loose=folders.get(stem, ()),
            keeps_positions=table.endswith(ARROW) or _folder(_folder(table)) in index_folders,
        )
        layout.groups.append(group)
        for path in (table, *group.vectors, *group.archives, *group.loose):
            left.pop(path, None)
    for archive in [path for path in left if path.endswith(ARCHIVES)]:
        layout.groups.append(Group(archives=[archive]))
        del left[archive]
    for loose in _by_folder(left).values():
        if _holds_records(loose):
            layout.groups.append(Group(loose=loose))
            for path in loose:
                del left[path]
    layout.others = sorted([*left, *indexes])
    return layout


def _vector_paths(stem: str) -> list[str]:
    """Where the vectors of a table may be, by the path of the table without its suffix."""
    folder, _, name = stem.rpartition("/")
    number = name.removeprefix("metadata_")
    base = _folder(folder)
    start = f"{base}/" if base else ""
    return [
        stem + VECTORS,
        stem.replace("dataset/", "embeddings/", 1) + VECTORS,
        f"{start}img_emb/img_emb_{number}{VECTORS}",
        f"{start}text_emb/text_emb_{number}{VECTORS}",
    ]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(_folder(path), []).append(path)
    return folders


def _holds_records(paths: Sequence[str]) -> bool:
    """Whether a folder has pictures with a JSON each, as img2dataset writes them."""
    records = {sample_of(path) for path in paths if path.endswith(RECORD)}
    return any(sample_of(path) in records for path in paths if not path.endswith(RECORD))


def sample_of(path: str) -> str:
    """The sample that a file belongs to: its name up to the first dot, as webdataset reads it."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"
