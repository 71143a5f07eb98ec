"""Decide on requests that wait in the queue: for `pairsieve requests` and for the page's /admin.

Both decide by these functions, so that a decision means the same wherever it was made. The rows of
a request are counted by a function which is passed in, since pipeline/dataset/found_rows.py reads
datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pairsieve.erasure.queue import NoSuchRequest, QueuedRequest, decide, look_up, waiting
from pairsieve.erasure.requests import Request, parse_request


@dataclass(frozen=True)
class RowCount:
    """How many rows something takes out, and of how many shards."""

    rows: int
    shards: int

    @property
    def text(self) -> str:
        """The same for a person."""
        return f"{self.rows} row(s) of {self.shards} shard(s)"


@dataclass(frozen=True)
class RowCounts:
    """What each group of requests takes out, and all groups together.

    Groups may name the same rows, so that `together` may be less than the sum of `each`.
    """

    each: Sequence[RowCount]
    together: RowCount


@dataclass(frozen=True, order=True)
class PictureCopy:
    """A row that shows the same picture as a row that is to be erased."""

    key: str
    url: str


FindCopies = Callable[[Sequence[Request]], Sequence[PictureCopy]]
"""Finds the rows that show the pictures of requests at other addresses, and changes nothing."""

CountRows = Callable[[Sequence[Sequence[Request]]], RowCounts]
"""Counts the rows of groups of requests in the dataset, and changes nothing."""


class TooManyRows(RuntimeError):
    """The requests would take out more rows than was agreed to; the message says how many."""

    def __init__(self, count: RowCount, max_rows: int) -> None:
        super().__init__(
            f"that are {count.text} in all, with what was approved before and is not applied, more "
            f"than {max_rows}; nothing was approved. Look at what is asked for "
            f"(pairsieve requests list), then give --most-rows {count.rows}, or --yes"
        )
        self.count = count
        self.max_rows = max_rows


@dataclass(frozen=True)
class Approval:
    """An approval that is looked at before it is made.

    `counts`: rows of each request. `together`: rows of these requests and of all that was approved
    before and is not applied: many small requests take out as much as a large one, and `apply` does
    all of them.
    """

    queue: str
    requests: Sequence[QueuedRequest]
    counts: Sequence[RowCount]
    together: RowCount

    def make(self, max_rows: int | None, reason: str = "") -> None:
        """Approve all requests or none. Without `max_rows` there may be any number of rows.

        Raises TooManyRows, NoSuchRequest, UnreadableRequest.
        """
        if max_rows is not None and self.together.rows > max_rows:
            raise TooManyRows(self.together, max_rows)
        for request in self.requests:
            decide(self.queue, request.receipt, "approved", reason=reason, more=request.requests)


def prepare_approval(
    queue: str,
    receipts: Sequence[str],
    count_rows: CountRows,
    copies: Mapping[str, Sequence[str]] | None = None,
) -> Approval:
    """Count what an approval would take out, and change nothing.

    `copies`: receipt -> keys of rows that somebody has looked at, which show the same pictures and
    are to be taken out with it. Raises NoSuchRequest, UnreadableRequest, ValueError for what is no
    key, and what `count_rows` raises.
    """
    copies = copies or {}
    requests = [
        _with_copies(look_up(queue, receipt), copies.get(receipt, ()))
        for receipt in dict.fromkeys(receipts)
    ]
    for request in requests:
        if request.state == "applied":
            raise NoSuchRequest(f"{request.receipt} was applied already; nothing was approved")
    approved_before = [
        request for request in waiting(queue, "approved") if request.receipt not in receipts
    ]
    counts = count_rows(list(map(parsed, [*requests, *approved_before])))
    return Approval(queue, requests, counts.each[: len(requests)], counts.together)


def _with_copies(request: QueuedRequest, keys: Sequence[str]) -> QueuedRequest:
    """Return a request that names some rows too."""
    asked = [*request.requests, *({"key": key} for key in dict.fromkeys(keys))]
    return replace(request, requests=asked)


def parsed(request: QueuedRequest) -> list[Request]:
    """Return the requests of a receipt as `pairsieve erase` understands them."""
    return [parse_request(line) for line in request.lines]
