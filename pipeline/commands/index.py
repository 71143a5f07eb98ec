"""Make a dataset searchable by words, addresses, picture hashes and vectors.

pairsieve index --dataset runs/mine
    write runs/mine.index
pairsieve index --dataset runs/mine --out /srv/index
    write it elsewhere, to a local folder

A second call indexes only shards that have changed, and removes those that are gone. Call it after
every erasure. Adopted datasets can be indexed too. Needs the extra `search`.

Exit status: 0 done, 2 there is no dataset, or the folder holds something else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.commands.counter import counter
from pipeline.commands.extras import lacks
from pipeline.commands.options import add_dataset, make_verb_parser


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("index", __doc__)
    add_dataset(parser, "the output directory of a run, or an adopted dataset")
    parser.add_argument(
        "--out", metavar="DIR", help="a local folder (default: DATASET.index beside the dataset)"
    )
    parser.add_argument(
        "--exact-below",
        type=int,
        default=100_000,
        metavar="ROWS",
        help="compare every vector where there are fewer rows (default: 100000)",
    )
    parser.add_argument(
        "--recall",
        type=float,
        default=0.99,
        help="share of the ten nearest to find where there are more (default: 0.99)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("search"):
        return 2
    from pairsieve.search.index import BadIndex, build
    from pairsieve.search.vectors import VectorSettings
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.writer import held_still

    out = options.out or index_of(options.dataset)
    try:
        settings = VectorSettings(options.exact_below, options.recall)
        with held_still(options.dataset):
            manifest = read_manifest(options.dataset)
            done, shards = build(options.dataset, manifest, out, settings, counter("rows"))
    except (NoSuchDataset, BadIndex, InUse) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.write(f"{out}: {done} of {shards} shards indexed, version {manifest.version}\n")
    return 0


def index_of(dataset: str) -> str:
    """The default place of a dataset's index."""
    return f"{dataset.rstrip('/')}.index"
