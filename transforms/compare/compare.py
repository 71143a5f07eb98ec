"""The steps of the stage `compare`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from filters.duplicates.detectors import NearCopies
from pairsieve.storage import files
from transforms.compare.bands import (
    SHOWN,
    Batches,
    NearPictures,
    by_bucket,
    merge_near,
    near_pictures,
    roots_by_bucket,
    to_bands,
)
from transforms.compare.concepts import count_concepts, counts_by_part, matcher_of
from transforms.compare.groups import groups_by_part, with_roots
from transforms.compare.pictures import name_rows, pictures_of
from transforms.compare.settings import PART, PICTURES, CompareSettings, Key
from transforms.compare.vectors import choose_cells, near_vectors, to_cells
from transforms.compare.write import write_compared
from transforms.judge import passing_rows
from transforms.plumbing.spill import Spill
from transforms.plumbing.working_on import WorkingOn
from transforms.rules import make_rule_book
from transforms.samples import read_samples

LEFT_OUT_FILE = "pairs-left-out"
"""In the stage's folder: how many pairs of hashes were not compared, as one number."""


class OnceAWorker(beam.DoFn):  # type: ignore[misc]
    """Runs a function that each worker makes once, as it loads files or detectors.

    Only `make` is sent with the job.
    """

    def __init__(self, make: Callable[[], Callable[[Any], Iterable[Any]]]) -> None:
        self._make = make

    def setup(self) -> None:
        self._function = self._make()

    def process(self, element: Any) -> Iterator[Any]:
        with WorkingOn(element):
            yield from self._function(element)


@dataclass
class ReadPictures(beam.PTransform):  # type: ignore[misc]
    """Numbers of parts -> ((PICTURES, bucket), pictures): about 120 bytes a picture and part."""

    settings: CompareSettings

    def expand(self, numbers: beam.PCollection) -> beam.PCollection:
        read = beam.ParDo(OnceAWorker(partial(_make_read, self.settings)))
        return _spilled(numbers | "Name pictures" >> read, self.settings.spill)


def _make_read(settings: CompareSettings) -> Callable[[int], Iterator[tuple[Key, bytes]]]:
    book = make_rule_book(settings.rules)

    def read(number: int) -> Iterator[tuple[Key, bytes]]:
        table = read_samples(settings.names[number], settings.folders)
        named = name_rows(table)
        if not len(named.rows):
            return
        # What no rule drops comes first among the pairs that may represent a picture.
        pictures = pictures_of(table, named, number, passing_rows(table, book))
        buckets = settings.division.buckets
        for key, batch in by_bucket(PICTURES, pictures, pictures["name"], buckets):
            yield key, SHOWN + batch

    return read


@dataclass
class FindNear(beam.PTransform):  # type: ignore[misc]
    """((PICTURES, bucket), pictures) -> NearPictures: near pictures by their hashes.

    Through the first shuffle go the pictures, and through the second 16 hashes of 32 bytes for each
    distinct one.
    """

    settings: CompareSettings
    copies: NearCopies

    def expand(self, pictures: beam.PCollection) -> beam.PCollection:
        copies, division = self.copies, self.settings.division
        to_all = partial(to_bands, copies=copies, division=division)
        near = partial(near_pictures, copies=copies, division=division)
        by_band = pictures | "By name" >> beam.GroupByKey() | "To bands" >> _each(to_all)
        return (
            _spilled(by_band, self.settings.spill)
            | "By band" >> beam.GroupByKey()
            | "Compare hashes" >> _each(near)
        )


@dataclass
class FindNearVectors(beam.PTransform):  # type: ignore[misc]
    """Numbers of parts -> NearPictures: near pictures by their vectors.

    Through the shuffle go 2 bytes a dimension, for each of the two cells of a vector.
    """

    settings: CompareSettings
    cosine: float

    def expand(self, numbers: beam.PCollection) -> beam.PCollection:
        to_all_cells = beam.ParDo(OnceAWorker(partial(_make_to_cells, self.settings)))
        by_cell = numbers | "To cells" >> to_all_cells
        near = partial(near_vectors, cosine=self.cosine)
        return (
            _spilled(by_cell, self.settings.spill)
            | "By cell" >> beam.GroupByKey()
            | "Compare vectors" >> _each(near)
        )


def _make_to_cells(settings: CompareSettings) -> Callable[[int], Iterator[tuple[Key, bytes]]]:
    cells = choose_cells(settings.folders.scores, list(settings.names), settings.samples)

    def read(number: int) -> Iterator[tuple[Key, bytes]]:
        table = read_samples(settings.names[number], settings.folders)
        yield from to_cells(table, cells)

    return read


@dataclass
class Connect(beam.PTransform):  # type: ignore[misc]
    """NearPictures -> one NearPictures: all groups, 64 bytes for each picture that has a copy."""

    settings: CompareSettings

    def expand(self, near: beam.PCollection) -> beam.PCollection:
        return (
            near
            # Workers sum their own forests first, and the last one merges what is left of them.
            # Without pictures there is nothing to merge, and no default is needed.
            | "Merge" >> beam.CombineGlobally(merge_near).without_defaults()
            | "Write what was left out" >> beam.Map(_write_left_out, self.settings.output)
        )


def _write_left_out(near: NearPictures, folder: str) -> NearPictures:
    files.write_text(files.join(folder, LEFT_OUT_FILE), str(near.left_out))
    return near


@dataclass
class GroupsByPart(beam.PTransform):  # type: ignore[misc]
    """(pictures, NearPictures) -> ((PART, number), the groups of the part's pictures)."""

    settings: CompareSettings

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        pictures, near = inputs
        buckets = self.settings.division.buckets
        roots = near | "Roots by name" >> beam.FlatMap(roots_by_bucket, buckets)
        return (
            (pictures, roots)
            | "Pictures and roots" >> beam.Flatten()
            # Roots go to the bucket of their picture, so that no worker holds the whole forest.
            | "Meet" >> beam.GroupByKey()
            | "Find roots" >> _each(partial(with_roots, buckets=buckets))
            # The pictures of a group may lie in many buckets, and meet in the bucket of their root.
            | "By group" >> beam.GroupByKey()
            | "Choose representatives" >> _each(groups_by_part)
        )


@dataclass
class CountConcepts(beam.PTransform):  # type: ignore[misc]
    """Numbers of parts -> ((PART, number), counts of its languages and of what its captions name).

    Through the shuffle go the distinct languages and concepts of each part.
    """

    settings: CompareSettings

    def expand(self, numbers: beam.PCollection) -> beam.PCollection:
        count = beam.ParDo(OnceAWorker(partial(_make_count, self.settings)))
        return (
            numbers
            | "Count" >> count
            | "By concept" >> beam.GroupByKey()
            | "Sum" >> _each(counts_by_part)
        )


def _make_count(settings: CompareSettings) -> Callable[[int], Iterator[tuple[Key, bytes]]]:
    book = make_rule_book(settings.rules)
    match = matcher_of(settings.concepts, settings.languages)

    def count(number: int) -> Iterator[tuple[Key, bytes]]:
        table = read_samples(settings.names[number], settings.folders)
        rows = passing_rows(table, book).tolist()
        yield from count_concepts(table, number, rows, match, settings.division.buckets)

    return count


@dataclass
class WriteCompared(beam.PTransform):  # type: ignore[misc]
    """((PART, number), batches) -> the parts of the stage."""

    settings: CompareSettings

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        write = OnceAWorker(partial(_make_write, self.settings))
        return batches | "Write parts" >> beam.ParDo(write)


def _make_write(settings: CompareSettings) -> Callable[[tuple[Key, Iterable[bytes]]], list[Any]]:
    observers = [(detector, detector.load()) for detector in settings.detectors]

    def write(group: tuple[Key, Iterable[bytes]]) -> list[Any]:
        (_, number), batches = group
        name = settings.names[number]
        write_compared(name, batches, settings.folders, settings.output, observers)
        # The part is in its folder; no step comes after this one.
        return []

    return write


def every_part(number: int) -> tuple[Key, bytes]:
    """An empty batch for a part: one without pictures is written too."""
    return (PART, number), b""


def _each(function: Callable[[tuple[Key, Batches]], Iterator[Any]]) -> beam.PTransform:
    return beam.FlatMap(_named, function)


def _named(group: Any, function: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    with WorkingOn(group):
        yield from function(group)


def _spilled(batches: beam.PCollection, folder: str) -> beam.PCollection:
    """The batches in files, where all workers have one disk."""
    # `bool` is true of every keyed batch: all are spilled.
    return batches | beam.ParDo(Spill(folder, bool)) if folder else batches
