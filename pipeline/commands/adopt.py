"""Give a dataset that others made a manifest, so that every command works on it.

pairsieve adopt --dataset laion2B-en
    write laion2B-en/manifest.json
pairsieve adopt --dataset laion2B-en --columns URL=link,sha256=digest
    the same, where columns have names of their own

The command reads every parquet file below the directory and writes its rows, bytes, sha256 and
columns into manifest.json. It writes and changes nothing else. It knows the columns of LAION,
Re-LAION, CommonPool and COYO. --columns names others, ours first: URL, TEXT, final_url, page_url,
sha256, md5, pdq, pdq_trimmed, key. Later commands refuse a file that has changed since it was
adopted.

Exit status: 0 done, 2 the dataset cannot be adopted.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.commands.options import add_dataset, make_verb_parser

if TYPE_CHECKING:
    from pairsieve.records.manifest import ListedFile, Manifest

ADOPTED = (
    "URL", "TEXT", "final_url", "page_url", "sha256", "md5", "pdq", "pdq_trimmed", "key",
    "SAMPLE_ID", "hash", "uid",
)  # fmt: skip
"""Our names of the columns that commands read."""
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "URL": ("url",),
    "TEXT": ("text", "caption"),
    "SAMPLE_ID": ("sample_id", "id"),
}
"""Our name -> names that known datasets have instead."""


class CannotAdopt(ValueError):
    """A dataset of others, or what is said of its columns, does not fit; the message says why."""


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("adopt", __doc__)
    add_dataset(parser, "a directory with parquet files at any depth")
    parser.add_argument(
        "--columns",
        default="",
        metavar="OURS=THEIRS,...",
        help="columns that have names of their own",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage import files
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pairsieve.storage.names import LeadsOut
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.writer import only_writer

    try:
        # Without this check the lock would create the folder.
        if not files.exists(options.dataset):
            raise CannotAdopt(f"{options.dataset} holds no parquet files")
        columns = _given_columns(options.columns)
        with only_writer(options.dataset):
            manifest = adopt(options.dataset, columns)
    except (CannotAdopt, InUse, LeadsOut, NoSuchDataset, NotOurs) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    rows = sum(listed.rows for listed in manifest.files)
    sys.stdout.write(
        f"{options.dataset}: {rows} rows in {len(manifest.files)} files adopted; columns "
        f"{_column_list(manifest.columns)}\n"
    )
    return 0


def _given_columns(option: str) -> dict[str, str]:
    """Our names -> theirs, as --columns gives them. Raises CannotAdopt."""
    columns = {}
    for pair in filter(None, option.split(",")):
        ours, is_pair, theirs = pair.partition("=")
        if not is_pair:
            raise CannotAdopt(f"--columns {pair}: give a pair, as --columns URL=link")
        columns[ours] = theirs
    return columns


def _column_list(columns: Mapping[str, str]) -> str:
    names = []
    for ours, theirs in columns.items():
        name = ours if ours == theirs else f"{ours} ({theirs})"
        names.append(name)
    return ", ".join(names)


def adopt(dataset: str, columns: Mapping[str, str]) -> Manifest:
    """Write the manifest of a dataset that others made, and return it.

    `columns` maps our names to the dataset's own. Raises CannotAdopt and LeadsOut.
    """
    from pairsieve.records.manifest import KEYS_OF_A_COPY, MANIFEST, Manifest
    from pairsieve.storage import files
    from pairsieve.storage.names import check_names
    from pipeline import __version__
    from pipeline.dataset.manifest import UNFINISHED

    path = files.join(dataset, MANIFEST)
    if files.exists(path):
        raise CannotAdopt(f"{dataset} has a manifest already; there is nothing to adopt")
    if any(name.startswith(UNFINISHED) for name in files.folders_in(dataset)):
        raise CannotAdopt(
            f"a run was cut off in {dataset} while it put its result in place; the same command "
            "finishes it"
        )
    names = [name for name in files.files_below(dataset) if name.endswith(".parquet")]
    if not names:
        raise CannotAdopt(f"{dataset} holds no parquet files")
    check_names(dataset, names)
    shards = [_read_shard(dataset, name) for name in names]
    first, present = shards[0]
    known = _known_columns(dataset, present, columns)
    for listed, own_columns in shards:
        if not set(known.values()) <= set(own_columns):
            raise CannotAdopt(
                f"{listed.path} lacks columns that {first.path} has; adopt them apart"
            )
    manifest = Manifest(
        pairsieve=__version__,
        adopted=True,
        name=dataset.rstrip("/").rpartition("/")[2],
        # The shards may lie anywhere below the directory.
        rows_folder="",
        columns=known,
        files=[listed for listed, _ in shards],
        keys=KEYS_OF_A_COPY,
    )
    files.write_text(path, manifest.text())
    return manifest


def _read_shard(dataset: str, name: str) -> tuple[ListedFile, list[str]]:
    """A shard's entry for the manifest, and its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pairsieve.records.manifest import ListedFile
    from pairsieve.storage import files

    with files.open_read(files.join(dataset, name)) as stream:
        digest = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type]
        size = stream.tell()
        try:
            shard = pq.ParquetFile(stream)
        except (pa.ArrowInvalid, OSError):
            raise CannotAdopt(f"{name} is no parquet file that can be read") from None
        rows, columns = shard.metadata.num_rows, list(shard.schema_arrow.names)
    return ListedFile(name, rows, size, digest.hexdigest()), columns


def _known_columns(dataset: str, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Our names of the columns that a shard has -> its own. Raises CannotAdopt without a URL."""
    present = list(names)
    wrong = []
    for ours, theirs in given.items():
        if ours not in ADOPTED or theirs not in present:
            wrong.append(f"{ours}={theirs}")
    if wrong:
        raise CannotAdopt(
            f"--columns {', '.join(wrong)}: known are {', '.join(ADOPTED)}; {dataset} has "
            f"{', '.join(present)}"
        )
    known = {}
    for ours in ADOPTED:
        candidates = [name for name in (ours, *OTHER_NAMES.get(ours, ())) if name in present]
        if ours in given:
            known[ours] = given[ours]
        elif candidates:
            known[ours] = candidates[0]
    if "URL" not in known:
        raise CannotAdopt(
            f"{dataset} has no column of image URLs that is known; name it, as --columns URL=link "
            f"(it has {', '.join(present)})"
        )
    return known
