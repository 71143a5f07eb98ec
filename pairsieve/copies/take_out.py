"""Takes erased rows out of the groups of files of a copy, one group after another."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from pairsieve.copies import samples, tables
from pairsieve.copies.change import Change
from pairsieve.copies.erased import Erased
from pairsieve.copies.layout import Group, sample_of
from pairsieve.storage import files

UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, tarfile.TarError, EOFError, ValueError)
"""What damaged files raise. An OSError is not among them: it ends the command."""


@dataclass
class Outcome:
    """The result of taking rows out of a copy.

    `taken_out`: kind -> how many. `unreached`: path -> why it may still hold erased rows. `rows`:
    path -> rows or vectors that a changed table has now.
    """

    taken_out: Counter[str] = field(default_factory=Counter)
    unreached: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Copy:
    """A copy at a path, what is to go, and the files that a manifest of ours lists."""

    path: str
    erased: Erased
    listed: Mapping[str, object]

    def content(self, name: str) -> bytes:
        """A file of the copy."""
        with files.open_read(files.join(self.path, name)) as stream:
            return bytes(stream.read())


def change_of(copy: Copy, group: Group, outcome: Outcome) -> Change:
    """The change of a group; adds to the outcome what goes and what cannot be judged."""
    change = Change()
    judged = _change_table(copy, group, change, outcome) if group.table else tables.Judged()
    for archive in group.archives:
        _change_archive(copy, archive, judged, change, outcome)
    if group.loose:
        _change_folder(copy, group, judged, change, outcome)
    return change


def _change_table(copy: Copy, group: Group, change: Change, outcome: Outcome) -> tables.Judged:
    """Change a table and its vectors; returns what the table says of its rows."""
    content = copy.content(group.table)
    try:
        table = tables.read_table(group.table, content)
        judged = tables.judge(table, copy.erased, group.keeps_positions)
    except UNREADABLE:
        outcome.unreached[group.table] = "it cannot be read"
        return tables.Judged()
    if judged.unknown:
        outcome.unreached[group.table] = (
            f"{judged.unknown} of {table.num_rows} rows have no id, URL or sha256 that tells"
        )
    if judged.erased:
        keeps, is_ours = group.keeps_positions, group.table in copy.listed
        new = tables.without_rows(group.table, content, judged.erased, keeps, is_ours)
        change.put(group.table, new)
        left = table.num_rows if keeps else table.num_rows - len(judged.erased)
        outcome.rows[group.table] = left
        outcome.taken_out["rows of tables"] += len(judged.erased)
    for path in group.vectors:
        _change_vectors(copy, path, table.num_rows, judged, group, change, outcome)
    return judged


def _change_vectors(
    copy: Copy,
    path: str,
    rows: int,
    judged: tables.Judged,
    group: Group,
    change: Change,
    outcome: Outcome,
) -> None:
    try:
        vectors = tables.read_vectors(copy.content(path))
    except UNREADABLE:
        outcome.unreached[path] = "it cannot be read"
        return
    if len(vectors) != rows:
        outcome.unreached[path] = f"it has {len(vectors)} vectors, and its table {rows} rows"
    elif judged.erased:
        change.put(path, tables.without_vectors(vectors, judged.erased, group.keeps_positions))
        outcome.rows[path] = outcome.rows[group.table]
        outcome.taken_out["vectors"] += len(judged.erased)


def _change_archive(
    copy: Copy, archive: str, table: tables.Judged, change: Change, outcome: Outcome
) -> None:
    path = files.join(copy.path, archive)
    try:
        found = samples.judge_samples(samples.records_of_archive(path), copy.erased, table)
    except UNREADABLE:
        outcome.unreached[archive] = "it cannot be read"
        return
    _report_unknown(archive, found, outcome)
    if found.erased:
        change.written[archive] = partial(samples.write_archive, path, found.erased)
        outcome.taken_out["samples of tar files"] += len(found.erased)


def _change_folder(
    copy: Copy, group: Group, table: tables.Judged, change: Change, outcome: Outcome
) -> None:
    records = samples.records_of_folder(copy.path, group.loose)
    found = samples.judge_samples(records, copy.erased, table)
    _report_unknown(f"{group.loose[0].rpartition('/')[0]}/", found, outcome)
    gone = [path for path in group.loose if sample_of(path) in found.erased]
    change.removed.extend(gone)
    outcome.taken_out["samples of folders"] += len(found.erased)


def _report_unknown(place: str, found: samples.Samples, outcome: Outcome) -> None:
    if found.unknown:
        outcome.unreached[place] = (
            f"{len(found.unknown)} samples have no JSON with an id, URL or sha256 that tells"
        )
