"""Ask published links again, and take out what is refused, changed or gone.

pairsieve recheck --dataset runs/mine --work work/mine --share 0.1
    ask a tenth of the links, those that were asked longest ago; run it once a week
pairsieve recheck --dataset runs/mine --work work/mine --share 0.1 --dry-run
    ask them, and say what would be taken out; without --dry-run the same command then takes it out,
    and asks nothing again
pairsieve recheck --dataset runs/mine --work work/mine --crawl newer.warc.gz
    make no request: take out the rows whose pages refuse in a newer crawl (WARC or WAT)

Links are asked as the fetch asks: robots.txt and every other signal of docs/consent.md, limits for
each host, one host by one worker. HEAD or the first bytes come before the picture; one that
has not changed costs about 400 bytes.

    reserved     its publisher says no now: taken out
    changed      it serves other bytes: taken out (--keep-alike: unless the picture looks the same)
    gone         no picture in two rechecks of different days: taken out
    unreachable  its server or its robots.txt does not answer: counted, stays (--unreachable-after)

Rows go out by the commit of an erasure: a new version, an entry in the feed, and every other shard
as it is, byte for byte. Tombstones keep the links out of later runs: name them in the config as
`filters.rules.erasure: {tombstones: ...}`. The card and the report show how many links are dead, by
age. What is known of each link lies in the work directory, and is private.

A recheck that was cut off goes on with the same command. Options that are not listed here are
Beam's own, as for `pairsieve run`.

Exit status: 0 done, 1 it failed, 2 something is missing or malformed and nothing was done, 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pairsieve.collector import collector_paused
from pipeline.commands.options import (
    add_dataset,
    add_log_and_patience,
    add_no_plugins,
    add_set,
    make_verb_parser,
)

if TYPE_CHECKING:
    from pairsieve.recheck.result import RecheckResult
    from pipeline.config import Config
    from pipeline.dataset.recheck_commit import RecheckPlace
    from pipeline.orchestrate.engine import Engine

GOES_ON = "What is finished is kept; the same command goes on from there."
MAX_REASONS_SHOWN = 12


def make_parser() -> argparse.ArgumentParser:
    """The command's own options."""
    parser = make_verb_parser("recheck", __doc__)
    add_dataset(parser, "the output directory of a run, or an adopted dataset")
    parser.add_argument(
        "--work",
        required=True,
        metavar="DIR",
        help="where what is known of each link is kept (private): the work directory of the run",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config; without it the public settings in its manifest count",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="the share of the links to ask, those asked longest ago first (default: 1, all)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="another number draws other links of the same day (default: 0)",
    )
    parser.add_argument(
        "--whole",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="the share of these to ask for the whole picture, whatever the headers say "
        "(default: 0.01)",
    )
    parser.add_argument(
        "--hours",
        type=float,
        default=24.0,
        metavar="N",
        help="ask nothing more after N hours; links that are left are asked the next time "
        "(default: 24)",
    )
    parser.add_argument(
        "--gone-after",
        type=int,
        default=2,
        metavar="N",
        help="take out a link that was gone in N rechecks of different days (default: 2)",
    )
    parser.add_argument(
        "--unreachable-after",
        type=int,
        metavar="N",
        help="take out a link that did not answer in N rechecks in a row (default: never)",
    )
    parser.add_argument(
        "--keep-alike",
        action="store_true",
        help="keep a changed picture that looks the same (PDQ, at most 31 bits apart)",
    )
    parser.add_argument(
        "--crawl",
        action="append",
        default=[],
        metavar="PATTERN",
        help="a newer crawl of the same pages, in place of requests; may be given again",
    )
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="the private folder of keys and tombstones (default: DATASET.erased)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be taken out, and take out nothing"
    )
    add_log_and_patience(parser)
    add_set(parser)
    add_no_plugins(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    # What this parser does not know goes to Beam.
    options, beam_arguments = make_parser().parse_known_args(arguments)
    problem = _problem_of(options)
    if problem:
        return _fail(problem, 2)
    with collector_paused():
        from pairsieve.erasure.feed import BadFeed
        from pairsieve.erasure.tombstones import NoTombstones
        from pairsieve.storage.job_end import GroupsMissing
        from pairsieve.storage.lock import InUse
        from pairsieve.storage.marked import NotOurs
        from pairsieve.storage.sealed import Damaged
        from pipeline.dataset.erasure import ErasureIncomplete
        from pipeline.dataset.manifest import NoSuchDataset
        from pipeline.monitoring.logs import configure_logging
        from pipeline.orchestrate.check_inputs import TooMuchUnreadable
        from pipeline.orchestrate.config_file import ConfigError
        from pipeline.orchestrate.engine import JobFailed

    configure_logging(options.log)
    try:
        sys.stdout.write(_run(options, beam_arguments))
    except (BadFeed, ConfigError, NoSuchDataset, NoTombstones, NotOurs) as error:
        return _fail(str(error), 2)
    except InUse as error:
        return _fail(str(error), 1)
    except (
        Damaged,
        ErasureIncomplete,
        GroupsMissing,
        JobFailed,
        OSError,
        TooMuchUnreadable,
    ) as error:
        return _fail(f"the recheck failed: {error}\n{GOES_ON}", 1)
    except KeyboardInterrupt as error:
        return _fail(f"interrupted: {error or 'nothing goes on running'}\n{GOES_ON}", 130)
    return 0


def _problem_of(options: argparse.Namespace) -> str:
    """What is wrong with the options; empty where nothing is."""
    for name in ("share", "whole"):
        if not 0 <= getattr(options, name) <= 1:
            return f"--{name} {getattr(options, name):g}: give a share from 0 to 1"
    if options.hours <= 0:
        return f"--hours {options.hours:g}: give a number above 0"
    for name in ("gone_after", "unreachable_after"):
        number = getattr(options, name)
        if number is not None and number < 1:
            return f"--{name.replace('_', '-')} {number}: give a number from 1"
    if options.set and not options.config:
        return "--set changes a config: give its --config too"
    return ""


def _run(options: argparse.Namespace, beam_arguments: Sequence[str]) -> str:
    """Do what the options say; the text to print."""
    from pairsieve.storage import files
    from pairsieve.storage.names import lies_in
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.recheck_commit import RecheckPlace
    from pipeline.dataset.writer import only_writer
    from pipeline.load_config import config_of
    from pipeline.orchestrate.engine import make_engine

    own_options = [f"--{name.replace('_', '-')}" for name in vars(options)]
    engine = make_engine(beam_arguments, own_options, options.patience * 60)
    # Without this check the lock would create the folder.
    if not files.exists(options.dataset):
        read_manifest(options.dataset)
    # A change that was cut off is finished first: until then there is no manifest.
    with only_writer(options.dataset):
        read_manifest(options.dataset)
    if lies_in(options.work, options.dataset):
        raise NoSuchDataset(
            f"--work ({options.work}) lies in the dataset, which is published; name another place"
        )
    config = config_of(options) if options.config else None
    tombstones = options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    place = RecheckPlace(options.dataset, options.work, tombstones)
    look_up = _look_up_pages if options.crawl else _ask_links
    return look_up(options, place, config, engine)


def _ask_links(
    options: argparse.Namespace, place: RecheckPlace, config: Config | None, engine: Engine
) -> str:
    from pairsieve.recheck.rule import RecheckRule
    from pipeline.dataset.manifest import read_manifest
    from pipeline.dataset.recheck import Recheck, RecheckSettings
    from pipeline.dataset.recheck_settings import asking_of
    from pipeline.monitoring.logs import shows_bars

    rule = RecheckRule(options.gone_after, options.unreachable_after, options.keep_alike)
    settings = RecheckSettings(rule, options.share, options.seed, options.whole, options.hours)
    asking = asking_of(read_manifest(place.dataset), config)
    recheck = Recheck(place, settings, asking, engine, shows_bars(options.log))
    rechecked = recheck.run(options.dry_run)
    reasons = list(rechecked.counted.items())[:MAX_REASONS_SHOWN]
    lines = [f"{reason:<28}{number:>10,}" for reason, number in reasons]
    result = rechecked.result
    if options.dry_run:
        lines.append("nothing was changed: the same command without --dry-run takes the rows out")
    lines += result.sentences()
    lines.append(_last_line(result, place, options.dry_run))
    return "\n".join(lines) + "\n"


def _look_up_pages(
    options: argparse.Namespace, place: RecheckPlace, config: Config | None, engine: Engine
) -> str:
    from pipeline.config import InputConfig
    from pipeline.dataset.manifest import read_manifest
    from pipeline.dataset.recheck_crawl import NewerCrawl, recheck_crawl
    from pipeline.dataset.recheck_settings import rights_of
    from pipeline.orchestrate.plan import find_inputs

    rights, _ = rights_of(read_manifest(place.dataset), config)
    inputs = InputConfig(files=tuple(options.crawl))
    crawl = NewerCrawl(inputs, find_inputs(inputs))
    found = recheck_crawl(place, crawl, rights, engine, options.dry_run)
    result = found.result
    first = f"{found.pages:,} pages in the newer crawl, {found.refusing:,} of them refuse"
    return f"{first}\n{_last_line(result, place, options.dry_run)}\n"


def _last_line(result: RecheckResult, place: RecheckPlace, dry_run: bool) -> str:
    """The last line, for scripts."""
    rows = sum(result.taken_out.values())
    done = "would be taken out" if dry_run else "taken out"
    version = "" if dry_run else f"; version {result.version}"
    return f"{place.dataset}: {rows} rows {done}{version}"


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
