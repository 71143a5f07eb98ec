"""Give a dataset that others made a manifest, so that every command works on it.

pairsieve adopt --dataset laion2B-en
pairsieve adopt --dataset laion2B-en --columns URL=link,sha256=digest

Reads every parquet file below the directory: its rows, bytes, sha256 and columns go into
manifest.json, and nothing else is written or changed. Columns of LAION, Re-LAION, CommonPool and
COYO are known; --columns names others, ours first (URL, TEXT, final_url, page_url, sha256, md5,
pdq, key). A file that was adopted and has changed since is refused. Exit status: 0 done, 2 it
cannot be adopted.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pairsieve.records.manifest import ListedFile, Manifest

ADOPTED = (
    "URL",
    "TEXT",
    "final_url",
    "page_url",
    "sha256",
    "md5",
    "pdq",
    "key",
    "SAMPLE_ID",
    "hash",
    "uid",
)
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "URL": ("url",),
    "TEXT": ("text", "caption"),
    "SAMPLE_ID": ("sample_id", "id"),
}
CHUNK_BYTES = 1 << 20


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve adopt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="DIR",
        help="a directory with parquet files at any depth",
    )
    parser.add_argument(
        "--columns", default="", metavar="OURS=THEIRS,...", help="columns of other names"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage import files
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.writer import only_writer

    try:
        if not files.exists(options.dataset):
            raise ValueError(f"{options.dataset} holds no parquet files")
        with only_writer(options.dataset):
            manifest = adopt(
                options.dataset,
                dict(pair.split("=", 1) for pair in options.columns.split(",") if pair),
            )
    except (ValueError, InUse) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    rows = sum(listed.rows for listed in manifest.files)
    known = ", ".join(
        f"{ours} ({theirs})" if ours != theirs else ours
        for ours, theirs in manifest.columns.items()
    )
    sys.stdout.write(
        f"{options.dataset}: {rows} rows in {len(manifest.files)} files adopted; columns {known}\n"
    )
    return 0


def adopt(dataset: str, columns: Mapping[str, str]) -> Manifest:
    """Write the manifest and give it. Raises ValueError saying what is wrong."""
    from pairsieve.records.manifest import KEYS_OF_A_COPY, MANIFEST, Manifest
    from pairsieve.storage import files
    from pairsieve.storage.names import check_names
    from pipeline import __version__
    from pipeline.dataset.manifest import UNFINISHED

    path = files.join(dataset, MANIFEST)
    if files.exists(path):
        raise ValueError(f"{dataset} has a manifest already; there is nothing to adopt")
    if any(name.startswith(UNFINISHED) for name in files.folders_in(dataset)):
        raise ValueError(
            f"a run was cut off in {dataset} while it put its result in place; the same command "
            "finishes it"
        )
    names = [name for name in files.files_below(dataset) if name.endswith(".parquet")]
    if not names:
        raise ValueError(f"{dataset} holds no parquet files")
    check_names(dataset, names)
    found = [_listed(dataset, name) for name in names]
    known = _columns(dataset, found[0][1], columns)
    other = next(
        (listed.path for listed, there in found if not set(known.values()) <= set(there)), None
    )
    if other:
        raise ValueError(f"{other} lacks columns that {found[0][0].path} has; adopt them apart")
    manifest = Manifest(
        pairsieve=__version__,
        adopted=True,
        name=dataset.rstrip("/").rpartition("/")[2],
        rows_folder="",
        columns=known,
        files=[listed for listed, _ in found],
        keys=KEYS_OF_A_COPY,
    )
    files.write_text(path, manifest.text())
    return manifest


def _listed(dataset: str, name: str) -> tuple[ListedFile, list[str]]:
    """A file's entry, and its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pairsieve.records.manifest import ListedFile
    from pairsieve.storage import files

    digest, size = hashlib.sha256(), 0
    with files.open_read(files.join(dataset, name)) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        try:
            shard = pq.ParquetFile(stream)
        except (pa.ArrowInvalid, OSError):
            raise ValueError(f"{name} is no parquet file that can be read") from None
        rows, names = shard.metadata.num_rows, list(shard.schema_arrow.names)
    return ListedFile(name, rows, size, digest.hexdigest()), names


def _columns(dataset: str, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    there = list(names)
    wrong = [
        f"{ours}={theirs}"
        for ours, theirs in given.items()
        if ours not in ADOPTED or theirs not in there
    ]
    if wrong:
        raise ValueError(
            f"--columns {', '.join(wrong)}: known are {', '.join(ADOPTED)}; {dataset} has "
            f"{', '.join(there)}"
        )
    found = {
        ours: next((n for n in (ours, *OTHER_NAMES.get(ours, ())) if n in there), "")
        for ours in ADOPTED
    }
    known = {ours: theirs for ours, theirs in {**found, **given}.items() if theirs}
    if "URL" not in known:
        raise ValueError(
            f"{dataset} has no column of image URLs that is known; name it, as --columns URL=link "
            f"(it has {', '.join(there)})"
        )
    return known
