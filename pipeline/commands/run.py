"""Run the flow: WARC files in, a publishable dataset of links out.

python -m pipeline.run
    the demonstration (configs/demo.yaml), without a request
python -m pipeline.run --config my.yaml
    a run of your own
python -m pipeline.run --config my.yaml --input 'crawl/*.warc.gz' \\
    --set filters.rules.similarity.thresholds.en=0.3

A config may name code of others (`module:name` under filters, names of installed plugins), and runs
it: read a config that somebody else wrote, or give --no-plugins.

A second run with the same config does only what is not done yet. Options that are not listed here
are Beam's own:
--runner=FlinkRunner --flink_master=HOST:8081, --runner=DataflowRunner --project=P --region=R ...
(docs/operations.md).
Exit status: 0 done, 1 the run failed, 2 the config or input cannot be run, 130 interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands.config_options import add_no_plugins

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def make_parser() -> argparse.ArgumentParser:
    """The command's own options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
        help="WARC files instead of the config's; may be given again",
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
        help="only these of extract, fetch, score, publish; the others' results are used",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the config as it is understood, with all defaults, and stop",
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
        help="ask again for pictures that were not to be had (fetch.transient)",
    )
    parser.add_argument(
        "--log",
        default="text",
        choices=("text", "json", "quiet"),
        help="lines, with bars on a terminal; JSON lines; or errors alone (default: text)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="MINUTES",
        help="give a job up that is silent for so long (default: 60; 0: never)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        help="change one setting; may be given again",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="show the whole error of a failed job, as the runner gave it",
    )
    add_no_plugins(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options, beam_arguments = make_parser().parse_known_args(arguments)
    from pipeline.monitoring.logs import set_up
    from pipeline.orchestrate.command import run

    set_up(options.log)
    return run(options, beam_arguments)
