"""List, approve and refuse what people asked for on the search page.

pairsieve requests list --dataset runs/mine
    list the requests that wait
pairsieve requests approve RECEIPT ... --dataset runs/mine
    approve; the next `apply` takes the rows out
pairsieve requests approve RECEIPT ... --dataset runs/mine --apply
    approve, and take the rows out at once
pairsieve requests apply --dataset runs/mine
    take out what was approved
pairsieve requests refuse RECEIPT --reason "not in this dataset" --dataset runs/mine
    refuse; whoever has the receipt can read the reason

`approve` says how many rows and shards each request takes out. It approves none of them if these
are more than --most-rows in all, together with what was approved before and is not applied: one
request may name a domain with half of the dataset, and many may name a row each. `list --rows` says
the same, and `list` until when a request has to be answered (GDPR 12(3)). `apply` does what
`pairsieve erase` does: it makes a new version, writes tombstones and verifies. Then it brings the
index up to date, and the page no longer finds the rows. `list --jsonl` prints approved requests as
`pairsieve erase` reads them. `pairsieve explore --admin` shows the same in a browser.

Addresses for answers lie in a file of their own for each request. They are removed when it is
applied or refused; --contacts shows them, with refuse and apply as well. A request whose file is
damaged is named on stderr, and the others go on.

Exit status: 0 done, 1 something went wrong, 2 there is no such request, or it takes out more than
--most-rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.options import MAX_ROWS, add_dataset, make_verb_parser

if TYPE_CHECKING:
    from pairsieve.erasure.decisions import RowCount
    from pairsieve.erasure.queue import QueuedRequest

MAX_SHOWN_LETTERS = 2_000
"""Of what a stranger wrote: as many as it may have."""


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("requests", __doc__)
    parser.add_argument("verb", choices=("list", "approve", "refuse", "apply"), help="what to do")
    parser.add_argument("receipts", nargs="*", metavar="RECEIPT", help="which requests")
    add_dataset(parser, "the dataset that the requests are about")
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
        help="the index to bring up to date (default: DATASET.index, if it exists)",
    )
    parser.add_argument("--apply", action="store_true", help="with approve: take out at once")
    parser.add_argument(
        "--reason", default="", help="with refuse: why; whoever has the receipt reads it"
    )
    parser.add_argument("--all", action="store_true", help="with list: also those that are decided")
    parser.add_argument(
        "--jsonl",
        action="store_true",
        help="with list: approved requests, as `pairsieve erase` reads them",
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
        default=MAX_ROWS,
        metavar="N",
        help="with approve: the most rows of all that is approved and not applied "
        f"(default: {MAX_ROWS})",
    )
    parser.add_argument(
        "--yes", action="store_true", help="with approve: however many rows there are"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.erasure.decisions import TooManyRows
    from pairsieve.erasure.feed import BadFeed
    from pairsieve.erasure.queue import NoSuchRequest, UnreadableRequest, forget_contacts
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pipeline.commands.explore import queue_of
    from pipeline.dataset.erasure import ErasureIncomplete
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.orchestrate.engine import JobFailed

    options.queue = options.queue or queue_of(options.dataset)
    if options.verb in ("approve", "refuse") and not options.receipts:
        return _fail(f"name the receipts to {options.verb}", 2)
    if options.verb == "refuse" and not options.reason:
        return _fail("say why: --reason", 2)
    # Each of these is found before anything is changed.
    nothing_done = (
        NoSuchRequest,
        UnreadableRequest,
        NoSuchDataset,
        NoTombstones,
        BadFeed,
        NotOurs,
        TooManyRows,
    )
    try:
        forget_contacts(options.queue)
        _run_verb(options)
    except nothing_done as error:
        return _fail(str(error), 2)
    except (ErasureIncomplete, InUse, JobFailed, OSError) as error:
        return _fail(f"the erasure failed: {error}\nThe same command goes on from there.", 1)
    return 0


def _run_verb(options: argparse.Namespace) -> None:
    """Do what the verb says, and print each line when it is done.

    Raises NoSuchRequest, UnreadableRequest, TooManyRows, and what an erasure raises.
    """
    if options.verb == "list":
        sys.stdout.writelines(_list(options))
    if options.verb == "approve":
        sys.stdout.writelines(_approve(options))
    if options.verb == "refuse":
        sys.stdout.writelines(_refuse(options))
    # `approve --apply` goes on where `approve` has ended.
    if options.verb == "apply" or options.apply:
        sys.stdout.writelines(_apply(options))
    if options.verb in ("list", "apply"):
        _name_unreadable(options.queue)


def _name_unreadable(queue: str) -> None:
    from pairsieve.erasure.queue import unreadable

    for error in unreadable(queue):
        sys.stderr.write(f"pairsieve: {error}\n")


def _list(options: argparse.Namespace) -> Iterator[str]:
    from pairsieve.erasure.queue import OPEN, waiting

    if options.jsonl:
        for request in waiting(options.queue, "approved"):
            yield from (f"{line}\n" for line in request.lines)
        return
    # No state stands for all of them.
    states = () if options.all else OPEN
    requests = list(waiting(options.queue, *states))
    counts = _counts(options, requests) if options.rows else []
    for place, request in enumerate(requests):
        yield (
            f"{request.receipt}  {request.state:<9} {_shown(request.received)}  "
            f"{len(request.requests)} request(s)\n"
        )
        for entry in request.requests:
            for kind, value in entry.items():
                # An option of a request is true or absent.
                text = value if isinstance(value, str) else "yes"
                yield f"    {_shown(kind)}: {_shown(text)}\n"
        if request.reason:
            yield f"    reason: {_shown(request.reason)}\n"
        if options.rows:
            yield f"    takes out {counts[place].text}\n"
        if request.state in OPEN:
            yield f"    answer by {request.answer_by}\n"
        yield from _contact_line(options, request.receipt)


def _counts(options: argparse.Namespace, requests: Sequence[QueuedRequest]) -> Sequence[RowCount]:
    """How many rows each request takes out. Raises NoSuchDataset."""
    from pairsieve.erasure.decisions import parsed
    from pipeline.dataset.found_rows import count_rows

    return count_rows(options.dataset, list(map(parsed, requests))).each


def _contact_line(options: argparse.Namespace, receipt: str) -> list[str]:
    """The address for the answer, where --contacts is given and there is one."""
    from pairsieve.erasure.queue import contact_of

    contact = contact_of(options.queue, receipt) if options.contacts else ""
    return [f"    answer to: {_shown(contact)}\n"] if contact else []


def _approve(options: argparse.Namespace) -> Iterator[str]:
    """Approve all receipts or none.

    Raises NoSuchRequest, UnreadableRequest, NoSuchDataset, TooManyRows.
    """
    from pairsieve.erasure.decisions import prepare_approval
    from pipeline.dataset.found_rows import count_rows

    approval = prepare_approval(
        options.queue, options.receipts, partial(count_rows, options.dataset)
    )
    for request, count in zip(approval.requests, approval.counts, strict=True):
        yield f"{request.receipt} takes out {count.text}\n"
    approval.make(None if options.yes else options.most_rows, options.reason)
    yield from (f"{request.receipt} approved\n" for request in approval.requests)


def _refuse(options: argparse.Namespace) -> Iterator[str]:
    from pairsieve.erasure.queue import decide

    for receipt in options.receipts:
        # Deciding removes the address: read it before.
        contact = _contact_line(options, receipt)
        decide(options.queue, receipt, "refused", reason=options.reason)
        yield f"{receipt} refused\n"
        yield from contact


def _apply(options: argparse.Namespace) -> Iterator[str]:
    """Take out what was approved, and bring the index up to date."""
    from pairsieve.erasure.queue import decide, waiting
    from pairsieve.erasure.requests import parse_request
    from pipeline.dataset.erasure import erase
    from pipeline.dataset.erasure_status import summary
    from pipeline.orchestrate.erase_job import local_jobs

    approved = list(waiting(options.queue, "approved"))
    requests = [parse_request(line) for request in approved for line in request.lines]
    if not requests:
        yield "nothing was approved that is not applied\n"
        return
    tombstones = options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    findings = erase(options.dataset, requests, tombstones, local_jobs())
    for request in approved:
        # Deciding removes the address: read it before.
        contact = _contact_line(options, request.receipt)
        decide(options.queue, request.receipt, "applied", findings.version)
        if contact:
            yield f"{request.receipt} applied\n"
            yield from contact
    _update_index(options)
    yield summary(findings, requests, "taken out")


def _update_index(options: argparse.Namespace) -> None:
    """Bring the index up to date, where there is one."""
    from pairsieve.storage import files
    from pipeline.commands.index import index_of
    from pipeline.dataset.manifest import read_manifest
    from pipeline.dataset.writer import kept_unchanged

    index = options.index or index_of(options.dataset)
    if not files.exists(index):
        return
    # Here, since a dataset without an index needs no search engine.
    from pairsieve.search.index import build
    from pairsieve.search.vectors import VectorSettings
    from pipeline.orchestrate.index_job import local_jobs

    with kept_unchanged(options.dataset):
        manifest = read_manifest(options.dataset)
        build(options.dataset, manifest, index, VectorSettings(), local_jobs().make)


def _shown(text: str) -> str:
    """A text by a stranger, on one line of a terminal; invisible letters become U+FFFD."""
    from pairsieve.web.shown import plain

    return plain(text, MAX_SHOWN_LETTERS)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
