"""Finds erased samples in webdataset's tar files and img2dataset's folders, by the JSON of each."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import IO, Any

from pairsieve.copies.erased import Erased, row_of
from pairsieve.copies.layout import RECORD, sample_of
from pairsieve.copies.tables import Judged
from pairsieve.storage import files

MAX_RECORD_BYTES = 16 << 20
"""Of one JSON. img2dataset writes less than 100 kB, most of it EXIF."""
_COMPRESSED = (".gz", ".tgz")


@dataclass
class Samples:
    """The samples of an archive or a folder: those that were erased, and those not to be judged.

    A sample is a name without its suffix.
    """

    erased: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


def judge_samples(
    records: Iterator[tuple[str, bytes | None]], erased: Erased, table: Judged
) -> Samples:
    """Judge samples by their records, and by the table beside them.

    `records`: file name -> the content of a JSON, or None for another file.
    """
    found = Samples()
    known = set[str]()
    seen = set[str]()
    for name, content in records:
        sample = sample_of(name)
        seen.add(sample)
        # The table beside them knows samples by their number alone.
        _, _, number = sample.rpartition("/")
        if number in table.gone:
            found.erased.add(sample)
        elif number in table.cleared:
            known.add(sample)
        if content is None:
            continue
        verdict = erased.judge(row_of(_record(content)))
        if verdict.erased:
            found.erased.add(sample)
        elif verdict.known:
            known.add(sample)
    found.unknown = seen - known - found.erased
    return found


def _record(content: bytes) -> dict[str, Any]:
    """The fields of a JSON; none where it is damaged or something else."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def records_of_archive(path: str) -> Iterator[tuple[str, bytes | None]]:
    """The members of a tar file, with the contents of JSON files. Raises TarError, OSError."""
    with files.open_read(path) as stream, _open(stream, path) as archive:
        for member in archive:
            if not member.isfile():
                continue
            is_record = member.name.endswith(RECORD) and member.size <= MAX_RECORD_BYTES
            content = archive.extractfile(member) if is_record else None
            yield member.name, content.read() if content else None


def records_of_folder(copy: str, paths: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """The files of a folder, with the contents of JSON files."""
    for path in paths:
        whole = files.join(copy, path)
        if path.endswith(RECORD) and files.size_of(whole) <= MAX_RECORD_BYTES:
            with files.open_read(whole) as stream:
                yield path, bytes(stream.read())
        else:
            yield path, None


def write_archive(path: str, gone: Set[str], out: IO[bytes]) -> None:
    """Write a tar file without the members of some samples. The others keep bytes and order."""
    with (
        files.open_read(path) as stream,
        _open(stream, path) as archive,
        _create(out, path) as target,
    ):
        for member in archive:
            if sample_of(member.name) in gone:
                continue
            target.addfile(member, archive.extractfile(member) if member.isfile() else None)


def _create(out: IO[bytes], path: str) -> tarfile.TarFile:
    if path.endswith(_COMPRESSED):
        return tarfile.open(fileobj=out, mode="w:gz")
    return tarfile.open(fileobj=out, mode="w:")


def _open(stream: IO[bytes], path: str) -> tarfile.TarFile:
    if path.endswith(_COMPRESSED):
        return tarfile.open(fileobj=stream, mode="r:gz")
    return tarfile.open(fileobj=stream, mode="r:")
