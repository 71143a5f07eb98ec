"""Make a dataset searchable by words, addresses, picture hashes and vectors.

pairsieve index --dataset runs/mine
    write runs/mine.index
pairsieve index --dataset runs/mine --out /srv/index
    write it elsewhere, to a local folder
pairsieve index --dataset s3://data/mine --out /srv/index --runner=FlinkRunner ...
    on a cluster: options that are not listed here go to Beam, as those of `pairsieve run` do

A second call indexes only shards that have changed, and removes those that are gone. Call it after
every erasure. Adopted datasets can be indexed too. Needs the extra `search`.

Shards are indexed by workers, and the launcher puts the pieces together. Until then they lie in
INDEX.job beside the index; from a cluster in DATASET.index.job beside the dataset, which all
workers must reach.

Exit status: 0 done, 1 a job failed, 2 there is no dataset or the folder holds something else, 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.commands.extras import lacks
from pipeline.commands.options import add_dataset, add_log_and_patience, make_verb_parser


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
    add_log_and_patience(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = make_parser()
    # What this parser does not know goes to Beam.
    options, beam_arguments = parser.parse_known_args(arguments)
    if lacks("search"):
        return 2
    from pairsieve.search.index import BadIndex, build
    from pairsieve.search.vectors import VectorSettings
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.writer import kept_unchanged
    from pipeline.monitoring.logs import configure_logging, shows_bars
    from pipeline.orchestrate.config_file import ConfigError
    from pipeline.orchestrate.engine import JobFailed, make_engine
    from pipeline.orchestrate.index_job import IndexJobs

    configure_logging(options.log)
    out = options.out or index_of(options.dataset)
    try:
        engine = make_engine(
            beam_arguments, list(parser._option_string_actions), options.patience * 60
        )
        jobs = IndexJobs(engine, shows_bars(options.log))
        settings = VectorSettings(options.exact_below, options.recall)
        with kept_unchanged(options.dataset):
            manifest = read_manifest(options.dataset)
            done, shards = build(options.dataset, manifest, out, settings, jobs.make)
    except (NoSuchDataset, BadIndex, InUse, NotOurs, ConfigError) as error:
        return _fail(str(error), 2)
    except JobFailed as error:
        return _fail(f"the index was not made: {error}", 1)
    except KeyboardInterrupt as error:
        return _fail(f"interrupted: {error or 'nothing goes on running'}", 130)
    sys.stdout.write(f"{out}: {done} of {shards} shards indexed, version {manifest.version}\n")
    return 0


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status


def index_of(dataset: str) -> str:
    """The default place of a dataset's index."""
    return f"{dataset.rstrip('/')}.index"
