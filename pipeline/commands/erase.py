"""Take out what people ask to be taken out, and keep it out.

pairsieve erase --dataset runs/mine --requests requests.jsonl --dry-run
    say what would be taken out
pairsieve erase --dataset runs/mine --requests requests.jsonl
    take it out
pairsieve erase --dataset runs/mine --hash-list list.csv
    take out what is on a hash list of others
pairsieve erase status --dataset runs/mine
    requests, rows, shards, last verification
pairsieve erase rotate-keys --dataset runs/mine
    make a new secret; tombstones under the one before still count
pairsieve erase --dataset s3://data/mine --requests requests.jsonl --runner=FlinkRunner ...
    on a cluster: options that are not listed here go to Beam, as those of `pairsieve run` do

A request is one JSON object a line: {"image_url": ...}, {"page_url": ...}, {"domain": ...},
{"prefix": "host/path/"}, {"sha256": ...}, {"md5": ...}, {"pdq": ...}, {"image": "example.jpg"} or
{"key": ...}. It may also have a {"receipt": ...}. Names, addresses and reasons are refused: nothing
is kept of them. If any line is malformed, nothing is applied.

With --config, the config that made the dataset, the command also lists pictures that look like an
example, as crops that no hash finds. This needs published embeddings. A person looks at them, and
--confirm KEY takes out those that show the same.

With --copies the command also finds the rows that show the same pictures at other addresses, by
their hashes. `show` lists them, and a person looks at them; `take` takes them out as well.

The command rewrites only shards that hold matches; every other file stays as it is, byte for byte.
The version goes up, and erasures/ gets a signed list of the rows for those who have a copy
(`pairsieve follow`). Then the command searches the dataset again to verify that nothing matches.
Tombstones go to a private folder of their own (--tombstones, by default DATASET.erased beside the
dataset). Name it in the config as `filters.rules.erasure: {tombstones: ...}`, so that later runs
keep out what was erased.

Shards are searched and written by workers. What they find lies in DATASET.erase.job, a private
folder beside the dataset, until the command ends; all of them must reach it.

Exit status: 0 done, 1 something is left or went wrong, 2 something is missing or malformed and
nothing was done, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.commands.options import (
    add_dataset,
    add_log_and_patience,
    add_no_plugins,
    add_set,
    make_verb_parser,
)

if TYPE_CHECKING:
    from pairsieve.erasure.requests import Request
    from pipeline.orchestrate.erase_job import EraseJobs


GOES_ON = "The same command goes on from there."


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("erase", __doc__)
    parser.add_argument(
        "verb",
        nargs="?",
        default="apply",
        choices=("apply", "status", "rotate-keys"),
        help="default: apply",
    )
    add_dataset(parser, "the output directory of a run, or an adopted dataset")
    parser.add_argument("--requests", metavar="FILE", help="requests as JSON lines")
    parser.add_argument(
        "--hash-list",
        action="append",
        default=[],
        metavar="FILE[:KIND]",
        help="hashes of kind md5, sha256 or pdq; may be given again",
    )
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="the private folder of keys and tombstones (default: DATASET.erased)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config: also list pictures that look like the examples",
    )
    parser.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="KEY",
        help="take out a row that a person has looked at; may be given again",
    )
    parser.add_argument(
        "--copies",
        choices=("show", "take"),
        help="rows that show the same pictures elsewhere: list them, or take them out too",
    )
    add_set(parser)
    add_no_plugins(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be taken out, and change nothing"
    )
    add_log_and_patience(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = make_parser()
    # What this parser does not know goes to Beam.
    options, beam_arguments = parser.parse_known_args(arguments)
    from pairsieve.erasure.feed import BadFeed
    from pairsieve.erasure.list_file import UnreadableList
    from pairsieve.erasure.requests import MalformedRequests
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pipeline.dataset.erasure import ErasureIncomplete
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.monitoring.logs import configure_logging, shows_bars
    from pipeline.orchestrate.config_file import ConfigError
    from pipeline.orchestrate.engine import JobFailed, make_engine
    from pipeline.orchestrate.erase_job import EraseJobs

    # Each of these is found before anything is changed.
    nothing_done = (
        MalformedRequests,
        NoTombstones,
        BadFeed,
        NoSuchDataset,
        NotOurs,
        UnreadableList,
        ConfigError,
    )
    configure_logging(options.log)
    try:
        engine = make_engine(
            beam_arguments, list(parser._option_string_actions), options.patience * 60
        )
        jobs = EraseJobs(engine, shows_bars(options.log))
        sys.stdout.write(_VERBS[options.verb](options, jobs))
    except nothing_done as error:
        return _fail(str(error), 2)
    except (ErasureIncomplete, InUse, JobFailed, OSError) as error:
        return _fail(f"the erasure failed: {error}\n{GOES_ON}", 1)
    except KeyboardInterrupt as error:
        return _fail(f"interrupted: {error or 'nothing goes on running'}\n{GOES_ON}", 130)
    return 0


def _tombstone_folder(options: argparse.Namespace) -> str:
    return str(options.tombstones or f"{options.dataset.rstrip('/')}.erased")


def _apply(options: argparse.Namespace, jobs: EraseJobs) -> str:
    """Erase, or say what would be erased; the text to print."""
    from pipeline.dataset.erasure import erase
    from pipeline.dataset.erasure_status import summary
    from pipeline.dataset.found_rows import find
    from pipeline.orchestrate.erase_job import job_folder

    requests = _requests(options)
    copies = ""
    if options.copies:
        # Before anything is erased: the copies are found by the rows that go.
        requests, copies = _with_copies(options, requests, jobs)
    if options.dry_run:
        _check_is_there(options.dataset)
        with job_folder(options.dataset) as folder:
            findings = find(options.dataset, requests, folder, jobs)
        text = summary(findings, requests, "would be taken out")
    else:
        findings = erase(options.dataset, requests, _tombstone_folder(options), jobs)
        text = summary(findings, requests, "taken out")
    text = copies + text
    if options.config:
        # The neighbours come first: scripts read the last line.
        text = _neighbours(options, requests) + text
    return text


def _check_is_there(dataset: str) -> None:
    """Raise NoSuchDataset before a folder is made beside a dataset that is not there."""
    from pipeline.dataset.manifest import read_manifest

    read_manifest(dataset)


def _with_copies(
    options: argparse.Namespace, requests: list[Request], jobs: EraseJobs
) -> tuple[list[Request], str]:
    """The requests, with --copies take also those for copies; and the list of copies as text."""
    from pipeline.dataset.found_rows import find
    from pipeline.dataset.picture_copies import copies_of, copy_list, requests_of
    from pipeline.orchestrate.erase_job import job_folder

    _check_is_there(options.dataset)
    with job_folder(options.dataset) as folder:
        copies = copies_of(options.dataset, find(options.dataset, requests, folder, jobs))
    are_taken = options.copies == "take"
    text = copy_list(copies, are_taken)
    return [*requests, *(requests_of(copies) if are_taken else ())], text


def _requests(options: argparse.Namespace) -> list[Request]:
    """All that is asked for. Raises MalformedRequests, UnreadableList."""
    from pairsieve.erasure.requests import (
        MalformedRequests,
        Request,
        read_requests,
        requests_of_list,
    )

    requests = read_requests(options.requests) if options.requests else []
    for text in options.hash_list:
        path, colon, kind = text.rpartition(":")
        # A colon may also be part of the path, as in s3://bucket/list.csv.
        if not colon or "/" in kind:
            path, kind = text, "auto"
        requests += requests_of_list(path, kind)
    requests += [Request("key", (key.lower(),)) for key in options.confirm]
    if not requests:
        raise MalformedRequests(
            "nothing is asked for: give --requests FILE, --hash-list FILE or --confirm KEY"
        )
    return requests


def _neighbours(options: argparse.Namespace, requests: Sequence[Request]) -> str:
    from pipeline.dataset.neighbours import neighbour_list, neighbours
    from pipeline.load_config import config_of

    return neighbour_list(neighbours(options.dataset, requests, config_of(options)))


def _status(options: argparse.Namespace, jobs: EraseJobs) -> str:
    from pipeline.dataset.erasure_status import status

    return status(options.dataset, _tombstone_folder(options))


def _rotate_keys(options: argparse.Namespace, jobs: EraseJobs) -> str:
    from pairsieve.erasure.tombstones import rotate_keys

    key_id = rotate_keys(_tombstone_folder(options))
    return f"tombstones are made under the key {key_id} from now on\n"


_VERBS: Mapping[str, Callable[[argparse.Namespace, EraseJobs], str]] = {
    "apply": _apply,
    "status": _status,
    "rotate-keys": _rotate_keys,
}


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
