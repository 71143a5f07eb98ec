"""Check every file of a dataset, byte by byte, against its manifest.

pairsieve verify --dataset runs/mine            read every file, and compare its sha256
pairsieve verify --dataset runs/mine --quick    sizes and rows alone

A file that the manifest does not list is named too, where rows are read from: somebody else put it
there, or a command was cut off. Nothing is changed, but for an erasure that was cut off: it is
finished first. Exit status: 0 the dataset is whole, 1 something is damaged, missing or too much, 2
there is no dataset.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pairsieve.records.manifest import ListedFile, Manifest

CHUNK_BYTES = 1 << 20


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="DIR",
        help="the output directory of a run, or a dataset that was adopted",
    )
    parser.add_argument(
        "--quick", action="store_true", help="compare sizes and rows, and read no file whole"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.writer import held_still

    try:
        with held_still(options.dataset):
            manifest = read_manifest(options.dataset)
            problems = list(
                verify(
                    options.dataset,
                    manifest,
                    options.quick,
                    _tell if sys.stderr.isatty() else _silent,
                )
            )
    except NoSuchDataset as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    except InUse as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 1
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    number = len(manifest.files)
    sys.stdout.write(
        f"{options.dataset}: {number} files, version {manifest.version}: "
        f"{len(problems) or 'no'} problems\n"
    )
    return 1 if problems else 0


def verify(
    dataset: str,
    manifest: Manifest,
    quick: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[str]:
    """What is wrong with a dataset, a line each. `tell`: files looked at, files in all."""
    from pairsieve.storage import files

    listed = manifest.files
    for number, entry in enumerate(listed, start=1):
        path = files.join(dataset, entry.path)
        problem = (
            _missing_or_cut_off(path, entry)
            or _other_rows(path, entry)
            or ("" if quick else _other_bytes(path, entry))
        )
        if problem:
            yield f"{entry.path}: {problem}"
        tell(number, len(listed))
    yield from (f"{name}: the manifest does not list it" for name in _too_much(dataset, manifest))


def _missing_or_cut_off(path: str, entry: ListedFile) -> str:
    from pairsieve.storage import files

    size = files.size_of(path)
    if size < 0:
        return "it is missing"
    return (
        f"it has {size} bytes, and the manifest says {entry.bytes}" if size != entry.bytes else ""
    )


def _other_rows(path: str, entry: ListedFile) -> str:
    if not path.endswith(".parquet"):
        return ""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pairsieve.storage import files

    try:
        with files.open_read(path) as stream:
            rows = pq.read_metadata(stream).num_rows
    except (pa.ArrowInvalid, OSError):
        return "it is no parquet file that can be read"
    return f"it has {rows} rows, and the manifest says {entry.rows}" if rows != entry.rows else ""


def _other_bytes(path: str, entry: ListedFile) -> str:
    from pairsieve.storage import files

    digest = hashlib.sha256()
    with files.open_read(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return "" if digest.hexdigest() == entry.sha256 else "its sha256 is not the manifest's"


def _too_much(dataset: str, manifest: Manifest) -> list[str]:
    """Parquet files where rows are read from that the manifest does not list."""
    from pairsieve.storage import files
    from pairsieve.storage.shards import DELTAS

    below = manifest.rows_folder
    listed = manifest.by_path
    there = [
        below + name
        for name in files.files_below(files.join(dataset, below.rstrip("/")) if below else dataset)
    ]
    return [
        name
        for name in there
        if name.endswith(".parquet") and name not in listed and not name.startswith(f"{DELTAS}/")
    ]


def _tell(done: int, total: int) -> None:
    sys.stderr.write(f"\r{done:,} of {total:,} files" + ("\n" if done >= total else ""))


def _silent(done: int, total: int) -> None:
    pass
