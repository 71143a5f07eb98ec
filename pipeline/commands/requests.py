"""List, approve and refuse what people asked for on the search page.

pairsieve requests list --dataset runs/mine
    what waits
pairsieve requests approve RECEIPT ... --dataset runs/mine
    approve; the next `apply` takes it out
pairsieve requests approve RECEIPT ... --dataset runs/mine --apply
    and take it out at once
pairsieve requests apply --dataset runs/mine
    take out what was approved
pairsieve requests refuse RECEIPT --reason "not in this dataset" --dataset runs/mine

`approve` says how many rows and shards each request takes out, and approves none where that are
more than --most-rows in all: one request may name a domain with half of the dataset. `list --rows`
says the same; it reads the dataset once for each request. Taking out is `pairsieve erase`: a new
version, tombstones, verification; then the index is brought up to date, and the page no longer
finds the rows. `list --jsonl` prints approved requests as `pairsieve erase` reads them. The reason
of a refusal is shown to whoever has the receipt. Addresses for answers are kept in a file of their
own for each request, and removed when it is applied or refused: --contacts shows them, with refuse
and apply as well. A request whose file is damaged is named on stderr; the others go on. Exit
status: 0 done, 1 something went wrong, 2 there is no such request, or it takes out more than
--most-rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pairsieve.erasure.queue import QueuedRequest

MOST_ROWS = 1_000  # that are taken out without being asked twice: more than one person's pictures
MOST_SHOWN = 2_000  # letters of what a stranger wrote: as many as it may have


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve requests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("verb", choices=("list", "approve", "refuse", "apply"), help="what to do")
    parser.add_argument("receipts", nargs="*", metavar="RECEIPT", help="which requests")
    parser.add_argument(
        "--dataset", required=True, metavar="DIR", help="the dataset that they are about"
    )
    parser.add_argument(
        "--queue", metavar="DIR", help="where requests wait (default: DATASET.requests)"
    )
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="the private folder of keys and tombstones (default: DATASET.erased)",
    )
    parser.add_argument(
        "--index",
        metavar="DIR",
        help="the index to bring up to date (default: DATASET.index, where it is there)",
    )
    parser.add_argument("--apply", action="store_true", help="with approve: take out at once")
    parser.add_argument(
        "--reason", default="", help="with refuse: why; whoever has the receipt reads it"
    )
    parser.add_argument("--all", action="store_true", help="with list: those that are decided, too")
    parser.add_argument(
        "--jsonl",
        action="store_true",
        help="with list: approved ones, as `pairsieve erase` reads them",
    )
    parser.add_argument(
        "--contacts", action="store_true", help="with list, refuse and apply: addresses for answers"
    )
    parser.add_argument(
        "--rows", action="store_true", help="with list: how many rows each request takes out"
    )
    parser.add_argument(
        "--most-rows",
        type=int,
        default=MOST_ROWS,
        metavar="N",
        help=f"with approve: no more rows in all (default: {MOST_ROWS})",
    )
    parser.add_argument("--yes", action="store_true", help="with approve: however many rows")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.erasure.queue import NoSuchRequest, UnreadableRequest, forget_contacts
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pairsieve.storage.sealed import Damaged
    from pipeline.commands.explore import queue_of
    from pipeline.dataset.erasure import ErasureIncomplete
    from pipeline.dataset.manifest import NoSuchDataset

    options.queue = options.queue or queue_of(options.dataset)
    if options.verb in ("approve", "refuse") and not options.receipts:
        return _say(f"name the receipts to {options.verb}", 2)
    if options.verb == "refuse" and not options.reason:
        return _say("say why: --reason", 2)
    try:
        forget_contacts(options.queue)
        _do(options)
    except (
        NoSuchRequest,
        UnreadableRequest,
        NoSuchDataset,
        NoTombstones,
        NotOurs,
        TooManyRows,
    ) as error:
        return _say(str(error), 2)
    except Damaged as error:
        return _say(str(error), 1)
    except (ErasureIncomplete, InUse, OSError) as error:
        return _say(f"the erasure failed: {error}\nThe same command goes on from there.", 1)
    return 0


class TooManyRows(RuntimeError):
    """The requests would take out more than was agreed to; the message says how many."""


def _do(options: argparse.Namespace) -> None:
    """What the verb says.

    Raises NoSuchRequest, UnreadableRequest, TooManyRows, and what an erasure raises.
    """
    if options.verb == "list":
        sys.stdout.writelines(_listed(options))
    if options.verb == "approve":
        sys.stdout.writelines(_approved(options))
    if options.verb == "refuse":
        sys.stdout.writelines(_refused(options))
    if options.verb == "apply" or options.apply:
        sys.stdout.writelines(_applied(options))
    if options.verb in ("list", "apply"):
        _name_unreadable(options.queue)


def _name_unreadable(queue: str) -> None:
    from pairsieve.erasure.queue import unreadable

    for error in unreadable(queue):
        _say(str(error), 0)


def _listed(options: argparse.Namespace) -> Iterator[str]:
    from pairsieve.erasure.queue import waiting

    if options.jsonl:
        yield from (line + "\n" for one in waiting(options.queue, "approved") for line in one.lines)
        return
    for one in waiting(options.queue, *(() if options.all else ("received", "approved"))):
        yield (
            f"{one.receipt}  {one.state:<9} {_shown(one.received)}  {len(one.requests)} "
            "request(s)\n"
        )
        yield from (
            f"    {_shown(kind)}: {_shown(value)}\n"
            for request in one.requests
            for kind, value in request.items()
        )
        if one.reason:
            yield f"    reason: {_shown(one.reason)}\n"
        if options.rows:
            yield f"    takes out {_rows_of(options.dataset, [one])[1]}\n"
        yield from _contact(options, one.receipt)


def _contact(options: argparse.Namespace, receipt: str) -> Iterator[str]:
    from pairsieve.erasure.queue import contact_of

    if options.contacts and (contact := contact_of(options.queue, receipt)):
        yield f"    answer to: {_shown(contact)}\n"


def _approved(options: argparse.Namespace) -> Iterator[str]:
    """Approve all receipts or none.

    Raises NoSuchRequest, UnreadableRequest, NoSuchDataset, TooManyRows.
    """
    from pairsieve.erasure.queue import NoSuchRequest, decide, look_up

    found = [look_up(options.queue, receipt) for receipt in dict.fromkeys(options.receipts)]
    if applied := [one.receipt for one in found if one.state == "applied"]:
        raise NoSuchRequest(f"{applied[0]} was applied already; nothing was approved")
    told = [f"{one.receipt} takes out {_rows_of(options.dataset, [one])[1]}\n" for one in found]
    rows, all_told = _rows_of(options.dataset, found)
    yield from told
    if rows > options.most_rows and not options.yes:
        raise TooManyRows(
            f"that are {all_told} in all, more than {options.most_rows}; nothing was approved. "
            "Look at what is asked for "
            f"(pairsieve requests list), then give --most-rows {rows}, or --yes"
        )
    for one in found:
        decide(options.queue, one.receipt, "approved", reason=options.reason)
        yield f"{one.receipt} approved\n"


def _refused(options: argparse.Namespace) -> Iterator[str]:
    from pairsieve.erasure.queue import decide

    for receipt in options.receipts:
        contact = list(_contact(options, receipt))
        decide(options.queue, receipt, "refused", reason=options.reason)
        yield f"{receipt} refused\n"
        yield from contact


def _rows_of(dataset: str, asked: Sequence[QueuedRequest]) -> tuple[int, str]:
    """How many rows requests take out together, and a text that says so. Raises NoSuchDataset."""
    from pairsieve.erasure.requests import parse_request
    from pipeline.dataset.erasure import find

    found = find(dataset, [parse_request(line) for one in asked for line in one.lines])
    return found.number, f"{found.number} row(s) of {len(found.rows)} shard(s)"


def _applied(options: argparse.Namespace) -> Iterator[str]:
    """Take out what was approved; lines on what was done."""
    from pairsieve.erasure.queue import decide, waiting
    from pairsieve.erasure.requests import parse_request
    from pairsieve.storage import files
    from pipeline.commands.index import index_of
    from pipeline.dataset.erasure import erase, told
    from pipeline.dataset.manifest import read_manifest
    from pipeline.dataset.writer import held_still

    approved = list(waiting(options.queue, "approved"))
    requests = [parse_request(line) for one in approved for line in one.lines]
    if not requests:
        yield "nothing was approved that is not applied\n"
        return
    found = erase(
        options.dataset, requests, options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    )
    for one in approved:
        contact = list(_contact(options, one.receipt))
        decide(options.queue, one.receipt, "applied", found.version)
        yield from (f"{one.receipt} applied\n", *contact) if contact else ()
    index = options.index or index_of(options.dataset)
    if files.exists(index):
        from pairsieve.search.index import build
        from pairsieve.search.vectors import VectorSettings

        with held_still(options.dataset):
            build(options.dataset, read_manifest(options.dataset), index, VectorSettings())
    yield told(found, requests, "taken out")


def _shown(text: str) -> str:
    """What a stranger wrote, on one line of a terminal: whatever is not seen stands as U+FFFD."""
    from pairsieve.web.shown import plain

    return plain(text, MOST_SHOWN)


def _say(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
