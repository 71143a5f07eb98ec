"""Decide on what people asked on the search page.

python -m pipeline.requests list --dataset runs/mine                            what waits
python -m pipeline.requests approve RECEIPT ... --dataset runs/mine             approve; the next `apply` takes it out
python -m pipeline.requests approve RECEIPT ... --dataset runs/mine --apply     and take it out at once
python -m pipeline.requests apply --dataset runs/mine                           take out what was approved
python -m pipeline.requests refuse RECEIPT --reason "not in this dataset" --dataset runs/mine

Taking out is `pipeline.erase`: a new version, tombstones, verification; then the index is brought up to date, and the page no longer finds
the rows. `list --jsonl` prints approved requests as `pipeline.erase` reads them. The reason of a refusal is shown to whoever has the
receipt. Addresses for answers are kept in a file of their own for each request (--contacts shows them).
Exit status: 0 done, 1 something went wrong, 2 there is no such request.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.requests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("verb", choices=("list", "approve", "refuse", "apply"), help="what to do")
    parser.add_argument("receipts", nargs="*", metavar="RECEIPT", help="which requests")
    parser.add_argument("--dataset", required=True, metavar="DIR", help="the dataset that they are about")
    parser.add_argument("--queue", metavar="DIR", help="where requests wait (default: DATASET.requests)")
    parser.add_argument("--tombstones", metavar="DIR", help="the private folder of keys and tombstones (default: DATASET.erased)")
    parser.add_argument("--index", metavar="DIR", help="the index to bring up to date (default: DATASET.index, where it is there)")
    parser.add_argument("--apply", action="store_true", help="with approve: take out at once")
    parser.add_argument("--reason", default="", help="with refuse: why; whoever has the receipt reads it")
    parser.add_argument("--all", action="store_true", help="with list: those that are decided, too")
    parser.add_argument("--jsonl", action="store_true", help="with list: approved ones, as pipeline.erase reads them")
    parser.add_argument("--contacts", action="store_true", help="with list: addresses for answers")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from erasure.queue import NoSuchRequest, decide  # noqa: PLC0415 - takes seconds to import; --help need not wait
    from erasure.tombstones import NoTombstones  # noqa: PLC0415
    from pipeline.audit import NoSuchDataset  # noqa: PLC0415
    from pipeline.erasing import ErasureIncomplete  # noqa: PLC0415
    from pipeline.explore import queue_of  # noqa: PLC0415
    from storage.lock import InUse  # noqa: PLC0415

    options.queue = options.queue or queue_of(options.dataset)
    if options.verb in ("approve", "refuse") and not options.receipts:
        return _say(f"name the receipts to {options.verb}", 2)
    if options.verb == "refuse" and not options.reason:
        return _say("say why: --reason", 2)
    try:
        if options.verb == "list":
            sys.stdout.writelines(_listed(options))
        if options.verb in ("approve", "refuse"):
            for receipt in options.receipts:
                decide(options.queue, receipt, "approved" if options.verb == "approve" else "refused", reason=options.reason)
                sys.stdout.write(f"{receipt} {options.verb}d\n")
        if options.verb == "apply" or options.apply:
            sys.stdout.write(_applied(options))
    except (NoSuchRequest, NoSuchDataset, NoTombstones) as error:
        return _say(str(error), 2)
    except (ErasureIncomplete, InUse, OSError) as error:
        return _say(f"the erasure failed: {error}\nThe same command goes on from there.", 1)
    return 0


def _listed(options: argparse.Namespace) -> Iterator[str]:
    from erasure.queue import contact_of, waiting  # noqa: PLC0415

    if options.jsonl:
        yield from (line + "\n" for one in waiting(options.queue, "approved") for line in one.lines)
        return
    for one in waiting(options.queue, *(() if options.all else ("received", "approved"))):
        yield f"{one.receipt}  {one.state:<9} {one.received}  {len(one.requests)} request(s)\n"
        yield from (f"    {kind}: {value}\n" for request in one.requests for kind, value in request.items())
        if options.contacts and (contact := contact_of(options.queue, one.receipt)):
            yield f"    answer to: {contact}\n"


def _applied(options: argparse.Namespace) -> str:
    """Take out what was approved; a line on what was done."""
    from erasure.queue import decide, waiting  # noqa: PLC0415
    from erasure.requests import parse_request  # noqa: PLC0415
    from pipeline.audit import read_manifest  # noqa: PLC0415
    from pipeline.erasing import erase, told  # noqa: PLC0415
    from pipeline.index import index_of  # noqa: PLC0415
    from storage import files  # noqa: PLC0415

    approved = list(waiting(options.queue, "approved"))
    requests = [parse_request(line) for one in approved for line in one.lines]
    if not requests:
        return "nothing was approved that is not applied\n"
    found = erase(options.dataset, requests, options.tombstones or f"{options.dataset.rstrip('/')}.erased")
    for one in approved:
        decide(options.queue, one.receipt, "applied", found.version)
    index = options.index or index_of(options.dataset)
    if files.exists(index):
        from search.index import build  # noqa: PLC0415
        from search.vectors import VectorSettings  # noqa: PLC0415

        build(options.dataset, read_manifest(options.dataset), index, VectorSettings())
    return told(found, requests, "taken out")


def _say(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
