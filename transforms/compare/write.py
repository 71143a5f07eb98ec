"""Writes what the comparison found: one row for each pair, in the order of the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from filters.detector import Detector
from filters.registry import evidence_columns
from filters.subjects import ComparedPart
from pairsieve.attempt import Failure, attempt
from pairsieve.images.forest import names_of
from pairsieve.records.outcome import Tally
from pairsieve.records.sample_table import SampleTable
from pairsieve.storage import parts
from transforms.compare.groups import TOLD
from transforms.compare.pictures import NamedRows, name_rows
from transforms.samples import SampleFolders, read_samples

ERRORS = "errors"
Observers = list[tuple[Detector, Callable[[Any], Any]]]


def compared_part(table: SampleTable, told: Iterable[bytes]) -> ComparedPart:
    """What was found of the samples of a part."""
    named = name_rows(table)
    of_part = np.concatenate([np.empty(0, TOLD), *(np.frombuffer(one, TOLD) for one in told)])
    of_part = of_part[np.argsort(of_part["name"])]
    copies: list[int | None] = [None] * table.rows
    kept_of: list[str | None] = [None] * table.rows
    rank: list[int | None] = [None] * table.rows
    if len(of_part):
        place = np.searchsorted(of_part["name"], names_of(named.names)).tolist()
        keys = table.cells["key"]
        for row, number in zip(named.rows.tolist(), place, strict=True):
            picture = of_part[number]
            firsts = [one.tobytes() for one in picture["first_keys"][: picture["firsts"]]]
            copies[row], kept_of[row] = int(picture["copies"]), firsts[0].hex()
            rank[row] = firsts.index(keys[row]) if keys[row] in firsts else None
    return _as_subject(table.rows, named, copies, kept_of, rank)


def _as_subject(
    rows: int,
    named: NamedRows,
    copies: list[int | None],
    kept_of: list[str | None],
    rank: list[int | None],
) -> ComparedPart:
    return ComparedPart(rows, copies, kept_of, rank, named.hashes, named.rows_of_hashes)


def compared_table(table: SampleTable, observers: Observers, told: Iterable[bytes]) -> pa.Table:
    """The rows of a part: key, errors, and the columns of the detectors.

    Fails closed: where a detector raises, or does not answer for every row, all rows of the part
    have the error, and go to quarantine.
    """
    part = compared_part(table, told)
    columns = {"key": table.pairs.column("key"), ERRORS: [[]] * table.rows}
    for detector, observe in observers:
        observed = attempt(partial(_observe_all, detector, observe), part)
        if isinstance(observed, Failure):
            columns[ERRORS] = [[*errors, observed.error] for errors in columns[ERRORS]]
            observed = {name: [None] * table.rows for name in detector.columns}
        columns.update(observed)
    fields = {
        "key": pa.binary(16),
        ERRORS: pa.list_(pa.string()),
        **evidence_columns([detector for detector, _ in observers]),
    }
    return pa.table(columns, schema=pa.schema(list(fields.items())))


def _observe_all(
    detector: Detector, observe: Callable[[Any], Any], part: ComparedPart
) -> dict[str, Any]:
    """The detector's columns. Raises ValueError unless they have an entry for every row."""
    observed = observe(part)
    columns = {name: list(observed[name]) for name in detector.columns}
    if any(len(column) != part.rows for column in columns.values()):
        raise ValueError(f"{detector.name} must answer for every row")
    return columns


def write_compared(
    name: str, told: Iterable[bytes], folders: SampleFolders, output: str, observers: Observers
) -> None:
    """Write the part of this name. Writing it again gives the same file."""
    table = read_samples(name, folders)
    compared = compared_table(table, observers, told)
    parts.write_part(output, name, compared, Tally({("pair", "kept", ""): table.rows}))
