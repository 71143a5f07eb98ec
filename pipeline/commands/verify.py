"""Check every file of a dataset, byte by byte, against its manifest.

pairsieve verify --dataset runs/mine
    read every file, and compare its sha256
pairsieve verify --dataset runs/mine --quick
    compare sizes and numbers of rows alone

The command also names parquet files that the manifest does not list, where rows are read from:
somebody else put them there, or a command was cut off. It changes nothing, with one exception: it
first finishes an erasure that was cut off.

Exit status: 0 the dataset is whole, 1 a file is damaged, missing or not listed, 2 there is no
dataset.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.commands.counter import counter
from pipeline.commands.options import add_dataset, make_verb_parser

if TYPE_CHECKING:
    from pairsieve.records.manifest import ListedFile, Manifest


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("verify", __doc__)
    add_dataset(parser, "the output directory of a run, or an adopted dataset")
    parser.add_argument(
        "--quick", action="store_true", help="compare sizes and rows, and read no file whole"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.writer import kept_unchanged

    try:
        with kept_unchanged(options.dataset):
            manifest = read_manifest(options.dataset)
            problems = list(verify(options.dataset, manifest, options.quick, counter("files")))
    except NoSuchDataset as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    except InUse as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 1
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    sys.stdout.write(
        f"{options.dataset}: {len(manifest.files)} files, version {manifest.version}: "
        f"{len(problems) or 'no'} problems\n"
    )
    return 1 if problems else 0


def verify(
    dataset: str, manifest: Manifest, quick: bool, show_progress: Callable[[int, int], None]
) -> Iterator[str]:
    """One line for each problem of a dataset.

    `show_progress` is called with the number of files that were looked at, and of all.
    """
    from pairsieve.storage import files

    for number, listed in enumerate(manifest.files, start=1):
        problem = _problem(files.join(dataset, listed.path), listed, quick)
        if problem:
            yield f"{listed.path}: {problem}"
        show_progress(number, len(manifest.files))
    for name in _unlisted(dataset, manifest):
        yield f"{name}: the manifest does not list it"


def _problem(path: str, listed: ListedFile, quick: bool) -> str:
    """The first problem of a file; empty where there is none."""
    from pairsieve.storage import files

    size = files.size_of(path)
    if size < 0:
        return "it is missing"
    if size != listed.bytes:
        return f"it has {size} bytes, and the manifest says {listed.bytes}"
    problem = _problem_of_rows(path, listed) if path.endswith(".parquet") else ""
    if problem or quick:
        return problem
    return "" if files.sha256_of(path) == listed.sha256 else "its sha256 is not the manifest's"


def _problem_of_rows(path: str, listed: ListedFile) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pairsieve.storage import files

    try:
        with files.open_read(path) as stream:
            rows = pq.read_metadata(stream).num_rows
    except (pa.ArrowInvalid, OSError):
        return "it is no parquet file that can be read"
    if rows != listed.rows:
        return f"it has {rows} rows, and the manifest says {listed.rows}"
    return ""


def _unlisted(dataset: str, manifest: Manifest) -> Iterator[str]:
    """Parquet files where rows are read from that the manifest does not list."""
    from pairsieve.storage import files
    from pairsieve.storage.shards import DELTAS

    prefix = manifest.rows_folder
    folder = files.join(dataset, prefix.rstrip("/")) if prefix else dataset
    listed = manifest.by_path
    for below in files.files_below(folder):
        name = prefix + below
        # Lists of erased row ids hold no rows of the dataset.
        is_delta = name.startswith(f"{DELTAS}/")
        if name.endswith(".parquet") and name not in listed and not is_delta:
            yield name
