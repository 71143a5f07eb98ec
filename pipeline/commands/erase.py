"""Take out what people ask to be taken out, and keep it out.

pairsieve erase --dataset runs/mine --requests requests.jsonl --dry-run
    what would be taken out
pairsieve erase --dataset runs/mine --requests requests.jsonl
    take it out
pairsieve erase --dataset runs/mine --hash-list list.csv
    what is on a hash list of others
pairsieve erase status --dataset runs/mine
    requests, rows, shards, last verification
pairsieve erase rotate-keys --dataset runs/mine
    a new secret; the one before still counts

With --config, the one that the dataset was made with, and where its embeddings are published,
pictures that look like an example are listed: crops, say, which no hash finds. Somebody looks at
them, and --confirm KEY takes out those that show the same.

A request is one JSON object a line: {"image_url": ...}, {"page_url": ...}, {"domain": ...},
{"prefix": "host/path/"}, {"sha256": ...}, {"md5": ...}, {"pdq": ...}, {"image": "example.jpg"} or
{"key": ...}, and {"receipt": ...} beside it if wanted. Names, addresses and reasons are refused:
nothing is kept of them. One malformed line, and none is applied.

Only shards that hold matches are written anew; every other file stays as it is, byte for byte. The
version goes up, erasures/ gets a list of row ids for those who have a copy, and the search is made
again at the end. Tombstones go to a private folder of their own (--tombstones, by default
DATASET.erased beside the dataset); name it in the config as `filters.rules.erasure: {tombstones:
...}`. Exit status: 0 done, 1 something is left or went wrong, 2 nothing was done since something is
missing or malformed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands.config_options import add_no_plugins

if TYPE_CHECKING:
    from pairsieve.erasure.requests import Request


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve erase",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "verb",
        nargs="?",
        default="apply",
        choices=("apply", "status", "rotate-keys"),
        help="default: apply",
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="DIR",
        help="the output directory of a run, or a dataset that was adopted",
    )
    parser.add_argument("--requests", metavar="FILE", help="JSON lines")
    parser.add_argument(
        "--hash-list",
        action="append",
        default=[],
        metavar="FILE[:KIND]",
        help="md5, sha256 or pdq; may be given again",
    )
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="the private folder of keys and tombstones (default: DATASET.erased)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the config of the dataset: lists what else looks like example pictures",
    )
    parser.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="KEY",
        help="a row that somebody has looked at; may be given again",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        help="change one setting of the config",
    )
    add_no_plugins(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be taken out, and change nothing"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.erasure.list_file import UnreadableList
    from pairsieve.erasure.requests import MalformedRequests
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pairsieve.storage.sealed import Damaged
    from pipeline.dataset.erasure import ErasureIncomplete
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.orchestrate.config_file import ConfigError

    try:
        sys.stdout.write(
            {"apply": _apply, "status": _status, "rotate-keys": _rotate}[options.verb](options)
        )
    except (
        MalformedRequests,
        NoTombstones,
        NoSuchDataset,
        NotOurs,
        UnreadableList,
        ConfigError,
    ) as error:
        return _say(f"pairsieve: {error}", 2)
    except Damaged as error:
        return _say(f"pairsieve: {error}", 1)
    except (ErasureIncomplete, InUse, OSError) as error:
        return _say(
            f"pairsieve: the erasure failed: {error}\nThe same command goes on from there.", 1
        )
    return 0


def _folder(options: argparse.Namespace) -> str:
    return str(options.tombstones or f"{options.dataset.rstrip('/')}.erased")


def _apply(options: argparse.Namespace) -> str:
    from pairsieve.erasure.requests import (
        MalformedRequests,
        Request,
        read_requests,
        requests_of_list,
    )
    from pipeline.dataset.erasure import erase, find, told

    requests = read_requests(options.requests) if options.requests else []
    for given in options.hash_list:
        path, colon, kind = given.rpartition(":")
        requests += requests_of_list(
            path if colon and "/" not in kind else given,
            kind if colon and "/" not in kind else "auto",
        )
    requests += [Request("key", (key.lower(),)) for key in options.confirm]
    if not requests:
        raise MalformedRequests(
            "nothing is asked for: give --requests FILE, --hash-list FILE or --confirm KEY"
        )
    if options.dry_run:
        said = told(find(options.dataset, requests), requests, "would be taken out")
    else:
        said = told(erase(options.dataset, requests, _folder(options)), requests, "taken out")
    return (_neighbours(options, requests) if options.config else "") + said


def _neighbours(options: argparse.Namespace, requests: Sequence[Request]) -> str:
    from pipeline.config import config_of
    from pipeline.dataset.neighbours import neighbours, told

    return told(neighbours(options.dataset, requests, config_of(options)))


def _status(options: argparse.Namespace) -> str:
    from pipeline.dataset.erasure import status

    return status(options.dataset, _folder(options))


def _rotate(options: argparse.Namespace) -> str:
    from pairsieve.erasure.tombstones import rotate_keys

    return f"tombstones are made under the key {rotate_keys(_folder(options))} from now on\n"


def _say(message: str, status: int) -> int:
    sys.stderr.write(message + "\n")
    return status
