"""Run the flow: WARC files in, a publishable dataset of links out.

python -m pipeline.run
    run the demonstration (configs/demo.yaml), which makes no request
python -m pipeline.run --config my.yaml
    run a config of your own
python -m pipeline.run --config my.yaml --input 'crawl/*.warc.gz' \\
    --set filters.rules.similarity.thresholds.en=0.3
    read other files, and change a setting

A second run with the same config does only what is not done yet.

A config may name code of others (`module:name` under filters, or names of installed plugins), and a
run executes it. So read a config that somebody else wrote, or give --no-plugins.

Options that are not listed here are Beam's own, as --runner=FlinkRunner --flink_master=HOST:8081 or
--runner=DataflowRunner --project=P --region=R (docs/operations.md).

Exit status: 0 done, 1 the run failed, 2 the config or input cannot be run, 130 interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pairsieve.collector import collector_paused
from pipeline.commands.options import (
    add_log_and_patience,
    add_no_plugins,
    add_set,
    make_verb_parser,
)

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def make_parser() -> argparse.ArgumentParser:
    """The command's own options."""
    parser = make_verb_parser("run", __doc__)
    parser.add_argument(
        "--config",
        default=str(DEFAULT_CONFIG),
        metavar="FILE",
        help="the run's YAML file (default: configs/demo.yaml)",
    )
    parser.add_argument(
        "--input",
        action="append",
        metavar="PATTERN",
        help="WARC files to read instead of the config's; may be given again",
    )
    parser.add_argument("--output", metavar="DIR", help="where the dataset goes (public)")
    parser.add_argument(
        "--work",
        metavar="DIR",
        help="where intermediate results go (private: unfiltered captions and pictures)",
    )
    parser.add_argument(
        "--stages",
        metavar="A,B",
        help="run only these of extract, fetch, score, compare, publish, on earlier results of the "
        "others",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the resolved config with all defaults, and stop",
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="say what the run will take (time, storage, requests, cost), and stop",
    )
    parser.add_argument(
        "--prices",
        metavar="FILE",
        help="what machines cost, for --estimate (default: pipeline/orchestrate/prices.yaml)",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="request again the pictures that failed for a passing reason (fetch.transient)",
    )
    add_log_and_patience(parser)
    add_set(parser)
    parser.add_argument(
        "--debug",
        action="store_true",
        help="show the runner's whole error when a job fails",
    )
    add_no_plugins(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    # What this parser does not know goes to Beam.
    options, beam_arguments = make_parser().parse_known_args(arguments)

    with collector_paused():
        from pipeline.monitoring.logs import configure_logging
        from pipeline.orchestrate.command import run

    configure_logging(options.log)
    return run(options, beam_arguments)
