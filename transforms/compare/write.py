"""Writes what the comparison found: one row for each pair, in the order of the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.detector import Detector
from filters.registry import evidence_columns
from filters.subjects import ComparedPart, VectorsOfRows
from pairsieve.attempt import Failure, attempt
from pairsieve.images.cells import unit
from pairsieve.images.forest import names_of
from pairsieve.records.outcome import Tally
from pairsieve.records.sample_table import SampleTable
from pairsieve.storage import parts
from transforms.compare.concepts import WHOLE, read_counts
from transforms.compare.groups import GROUP_OF_PICTURE, GROUPS_LETTER
from transforms.compare.pictures import name_rows
from transforms.compare.vectors import kept_vectors
from transforms.samples import SampleFolders, read_samples

ERRORS = "errors"
Observers = list[tuple[Detector, Callable[[Any], Any]]]


def compared_part(table: SampleTable, batches: Sequence[bytes]) -> ComparedPart:
    """What the comparison of all samples has found about the samples of a part."""
    named = name_rows(table)
    copies: list[int | None] = [None] * table.rows
    kept_of: list[str | None] = [None] * table.rows
    rank: list[int | None] = [None] * table.rows
    of_part = _groups_of_pictures(batches)
    counts = read_counts(batches)
    if len(of_part):
        # Every picture of the part is there: the part has sent a row of each.
        place = np.searchsorted(of_part["name"], names_of(named.names)).tolist()
        keys = table.cells["key"]
        for row, number in zip(named.rows.tolist(), place, strict=True):
            group = of_part[number]
            first_keys = [key.tobytes() for key in group["first_keys"][: group["firsts"]]]
            copies[row] = int(group["copies"])
            kept_of[row] = first_keys[0].hex()
            if keys[row] in first_keys:
                rank[row] = first_keys.index(keys[row])
    concept_pairs: dict[tuple[str, str], int] = {}
    language_pairs: dict[str, int] = {}
    for (language, concept), number in counts.items():
        if concept == WHOLE:
            language_pairs[language] = number
        else:
            concept_pairs[language, concept] = number
    return ComparedPart(
        rows=table.rows,
        copies=copies,
        kept_of=kept_of,
        caption_rank=rank,
        hashes=named.hashes,
        rows_of_hashes=named.rows_of_hashes,
        captions=table.cells["caption"],
        languages=[language or "" for language in table.cells["language"]],
        concept_pairs=concept_pairs,
        language_pairs=language_pairs,
        make_vectors=partial(_unit_vectors, table, named.rows.tolist()),
    )


def _unit_vectors(table: SampleTable, rows: Sequence[int]) -> VectorsOfRows:
    return {
        model: (np.array(of_model, np.int64), unit(halves))
        for model, (of_model, halves) in kept_vectors(table, rows).items()
    }


def _groups_of_pictures(batches: Sequence[bytes]) -> NDArray[np.void]:
    """The group of each picture of a part, sorted by the names of the pictures."""
    # The other batches have counts of concepts.
    of_pictures = [batch for batch in batches if batch[:1] == GROUPS_LETTER]
    groups = [np.frombuffer(batch, GROUP_OF_PICTURE, offset=1) for batch in of_pictures]
    of_part = np.concatenate([np.empty(0, GROUP_OF_PICTURE), *groups])
    return of_part[np.argsort(of_part["name"])]


def compared_table(table: SampleTable, observers: Observers, batches: Sequence[bytes]) -> pa.Table:
    """The rows of a part: key, errors, and the columns of the detectors.

    Fails closed: where a detector raises, or does not answer for every row, all rows of the part
    have the error, and go to quarantine.
    """
    part = compared_part(table, batches)
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
    name: str, batches: Iterable[bytes], folders: SampleFolders, output: str, observers: Observers
) -> None:
    """Write the part of this name. Writing it again gives the same file."""
    table = read_samples(name, folders)
    compared = compared_table(table, observers, list(batches))
    # Nothing is dropped here; publish decides on what was found.
    parts.write_part(output, name, compared, Tally({("pair", "kept", ""): table.rows}))
