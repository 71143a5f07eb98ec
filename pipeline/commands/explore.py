"""Serve the search page, where people find themselves and ask to be taken out.

pairsieve explore --dataset runs/mine
    serve http://127.0.0.1:8080
pairsieve explore --dataset runs/mine --config my.yaml
    also offer search by meaning (needs published embeddings)
pairsieve explore --dataset runs/mine --behind-proxy --public-host search.example.org
    serve to the world, through a server with TLS on this machine
pairsieve explore --dataset runs/mine --admin
    also serve http://127.0.0.1:8080/admin, where the publisher decides on requests

`pairsieve index` makes the index, and brings it up to date after an erasure; the page notices.
Requests wait in a private folder (--queue, by default DATASET.requests) until `pairsieve requests`
decides on them. The page loads nothing from other hosts unless a visitor asks for pictures. With
--previews this machine fetches them, and shows them small, blurred until they are asked for.

/admin shows requests with the rows that they take out, before an approval also the rows that show
the same pictures at other addresses, to choose from, and the day until which requests have to be
answered, and approves and refuses them as `pairsieve requests` does. It asks for the key in
QUEUE/admin.key, which only its owner can read, and answers on this machine alone: not through a
proxy, unless --admin-host gives the name at which the proxy makes people log in.

The page answers only under this machine's own names, the address in --host and the names in
--public-host. Under any name a page of another site could read it (DNS rebinding). Ctrl-C and
SIGTERM end it within seconds. Needs the extra `explore`.

Exit status: 0 ended, 2 there is nothing to serve.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.commands.extras import lacks
from pipeline.commands.options import (
    MAX_ROWS,
    add_dataset,
    add_no_plugins,
    add_set,
    make_verb_parser,
)

if TYPE_CHECKING:
    from pairsieve.erasure.decisions import PictureCopy, RowCounts
    from pairsieve.erasure.requests import Request
    from pairsieve.explore.previews import ReadPreview
    from pairsieve.explore.settings import Encoder, Publisher
    from pairsieve.images.processes import Processes
    from pairsieve.records.manifest import Manifest

ADMIN_KEY = "admin.key"
"""In the folder of requests: what opens /admin, beside what it shows."""
MAX_PREVIEW_BYTES = 10_000_000  # most pictures of the web have less than 1 MB
DECODE_S = 10.0
CLOSE_S = 1.5
"""Time for the process that reads pictures to end; it also ends itself after a minute without work.
"""
MAX_WAITING, MAX_WAITING_MB = 5_000, 50
"""What one or two people can decide on in some days, and ten times the usual size of it."""


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("explore", __doc__)
    add_dataset(parser, "the dataset that was indexed")
    parser.add_argument("--index", metavar="DIR", help="its index (default: DATASET.index)")
    parser.add_argument(
        "--queue", metavar="DIR", help="where requests wait; private (default: DATASET.requests)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config, for the models that made its vectors",
    )
    add_set(parser)
    add_no_plugins(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: 8080)")
    parser.add_argument(
        "--public-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which visitors reach the page; may be given again",
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="trust X-Forwarded-For of a proxy on this machine",
    )
    _add_admin(parser)
    _add_previews(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="end a query after this time (default: 10)",
    )
    parser.add_argument(
        "--most-waiting",
        type=int,
        default=MAX_WAITING,
        metavar="N",
        help=f"how many requests may wait for a decision (default: {MAX_WAITING})",
    )
    parser.add_argument(
        "--most-waiting-mb",
        type=int,
        default=MAX_WAITING_MB,
        metavar="MB",
        help=f"how many megabytes they may take (default: {MAX_WAITING_MB})",
    )
    return parser


def _add_previews(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--previews",
        action="store_true",
        help="fetch pictures in the visitor's place, and show them small, and blurred at first",
    )


def _add_admin(parser: argparse.ArgumentParser) -> None:
    """The options of the publisher's side."""
    parser.add_argument(
        "--admin", action="store_true", help="serve /admin, where the publisher decides on requests"
    )
    parser.add_argument(
        "--admin-host",
        action="append",
        default=[],
        metavar="NAME",
        help="with --admin and --behind-proxy: also answer under a name at which the proxy makes "
        "people log in; may be given again",
    )
    parser.add_argument(
        "--most-rows",
        type=int,
        default=MAX_ROWS,
        metavar="N",
        help="with --admin: the most rows of all that is approved there and not applied "
        f"(default: {MAX_ROWS})",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("explore"):
        return 2
    options.index, options.queue = _places(options)
    problem = _problem_of(options)
    if problem:
        sys.stderr.write(f"pairsieve: {problem}\n")
        return 2
    from pairsieve.search.find import check_version, open_search
    from pairsieve.search.index import BadIndex
    from pairsieve.storage.secret import BadSecret
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest

    try:
        manifest = read_manifest(options.dataset)
        check_version(open_search(options.index).contents, manifest)
        encoders = _encoders(options, manifest) if options.config else {}
        publisher = _publisher(options) if options.admin else None
    except (BadIndex, NoSuchDataset, BadConfig, BadSecret, OSError) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("pairsieve.explore").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(without_traces)
    try:
        with _previews(options, manifest) as read_preview:
            _serve(options, manifest.name or "dataset", encoders, publisher, read_preview)
    except NoSuchDataset as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    return 0


def _places(options: argparse.Namespace) -> tuple[str, str]:
    """The folders of the index and of the requests."""
    from pipeline.commands.index import index_of

    index = options.index or index_of(options.dataset)
    return index, options.queue or queue_of(options.dataset)


def _problem_of(options: argparse.Namespace) -> str:
    """What is wrong with the options; empty where nothing is."""
    from pairsieve.explore.networks import ANY_ADDRESS, is_loopback
    from pairsieve.storage.names import lies_in

    if options.host in ANY_ADDRESS and not options.public_host:
        return (
            f"--host {options.host or repr('')} listens on every address of this machine; say by "
            "which name visitors reach the page: --public-host search.example.org"
        )
    if lies_in(options.queue, options.dataset):
        return (
            f"requests would lie in the dataset ({options.queue}), which is published; name "
            "another --queue"
        )
    if options.admin_host and not (
        options.admin and options.behind_proxy and is_loopback(options.host)
    ):
        return (
            "--admin-host is for a proxy on this machine that makes people log in: give --admin "
            "and --behind-proxy too, and listen on 127.0.0.1, else people could pass the proxy by"
        )
    # Names are compared as they are in a Host header, without a port.
    shared = set(map(_bare, options.admin_host)) & set(map(_bare, options.public_host))
    if shared:
        return (
            f"{min(shared)} is both --public-host and --admin-host; visitors of the first are not "
            "asked who they are"
        )
    return ""


def _bare(name: str) -> str:
    return name.lower().rstrip(".")


def _publisher(options: argparse.Namespace) -> Publisher:
    """What /admin needs; its key is made when there is none. Raises BadSecret, OSError."""
    from pairsieve.explore.settings import Publisher
    from pairsieve.storage import files
    from pairsieve.storage.secret import secret_in

    path = files.join(options.queue, ADMIN_KEY)
    key, _ = secret_in(path)
    sys.stderr.write(f"http://{options.host}:{options.port}/admin asks for the key in {path}\n")
    return Publisher(
        key.hex(),
        partial(_count_rows, options.dataset),
        options.most_rows,
        frozenset(map(_bare, options.admin_host)),
        partial(_find_copies, options.dataset),
    )


def _count_rows(dataset: str, groups: Sequence[Sequence[Request]]) -> RowCounts:
    """Count what requests take out. Raises Refused while the dataset is being changed."""
    from pairsieve.explore.refused import Refused
    from pipeline.dataset.found_rows import count_rows
    from pipeline.dataset.manifest import NoSuchDataset

    try:
        return count_rows(dataset, groups)
    except (NoSuchDataset, OSError):
        raise Refused(503, "updating") from None


def _find_copies(dataset: str, requests: Sequence[Request]) -> Sequence[PictureCopy]:
    """Find copies of what is asked for. Raises Refused while the dataset is being changed."""
    from pairsieve.explore.refused import Refused
    from pipeline.dataset.found_rows import find_here
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.picture_copies import copies_of

    try:
        with TemporaryDirectory() as folder:  # only this user may read it
            return copies_of(dataset, find_here(dataset, requests, folder))
    except (NoSuchDataset, OSError):
        raise Refused(503, "updating") from None


@contextmanager
def _previews(options: argparse.Namespace, manifest: Manifest) -> Iterator[ReadPreview | None]:
    """Give the block a function that reads previews, or None where they are not switched on.

    Raises NoSuchDataset where the run made no requests.
    """
    if not options.previews:
        yield None
        return
    from pairsieve.explore.previews import Preview, make_preview
    from pairsieve.images.processes import Crashed, Limits, Processes
    from pipeline.dataset.audit_rows import client_settings, web_pictures

    settings = replace(client_settings(manifest), max_bytes=MAX_PREVIEW_BYTES)
    # Not the process of uploads, which reads one picture at a time.
    processes = Processes(1, Limits(wall_s=DECODE_S))
    with web_pictures(settings) as web:

        def read(url: str) -> Preview | None:
            content = web.read(url)
            preview = processes.run_alone(make_preview, content) if content else None
            return None if isinstance(preview, Crashed) else preview

        try:
            yield read
        finally:
            _close(processes)


def _close(processes: Processes) -> bool:
    """End processes within CLOSE_S; return whether they have ended."""
    # In a thread, since closing waits for a process that is still starting.
    closing = threading.Thread(target=processes.close, daemon=True)
    closing.start()
    closing.join(CLOSE_S)
    return not closing.is_alive()


def _serve(
    options: argparse.Namespace,
    name: str,
    encoders: Mapping[str, Encoder],
    publisher: Publisher | None,
    read_preview: ReadPreview | None,
) -> None:
    """Serve the page until it is interrupted."""
    from pairsieve.erasure.queue import Quota
    from pairsieve.explore.app import make_app
    from pairsieve.explore.connections import ConnectionLimits
    from pairsieve.explore.networks import names_of
    from pairsieve.explore.serve import Address, serve
    from pairsieve.explore.settings import Settings
    from pairsieve.images.processes import Limits, Processes

    settings = Settings(
        name,
        options.dataset,
        options.index,
        options.queue,
        secrets.token_hex(32),
        limit_s=options.timeout,
        quota=Quota(options.most_waiting, options.most_waiting_mb * 1_000_000),
        hosts=names_of(options.host, options.public_host),
    )
    # One process: so it is known which picture has ended it.
    processes = Processes(1, Limits(wall_s=settings.picture_s))
    app = make_app(settings, encoders, processes, publisher, read_preview)
    connections = ConnectionLimits(trusts_loopback=options.behind_proxy)
    address = Address(options.host, options.port, options.behind_proxy, connections)
    sys.stderr.write(f"http://{options.host}:{options.port} - end it with Ctrl-C\n")
    try:
        serve(app, address)
    finally:
        has_closed = _close(processes)
    if app.is_busy or not has_closed:
        _leave()


class BadConfig(ValueError):
    """The config cannot be read, or is not the dataset's."""


def _encoders(options: argparse.Namespace, manifest: Manifest) -> Mapping[str, Encoder]:
    """Load the models that made the vectors. Raises BadConfig, NoSuchDataset."""
    from pipeline.dataset.encoders import load_encoders
    from pipeline.load_config import config_of
    from pipeline.orchestrate.config_file import ConfigError

    try:
        return load_encoders(config_of(options), manifest)
    except ConfigError as error:
        raise BadConfig(str(error)) from None


def _leave() -> None:
    """End the process at once.

    Python would wait for a search that runs in a thread. Nothing is lost with it.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def without_traces(record: logging.LogRecord) -> bool:
    """Whether a log record has no trace: a trace may hold what a visitor searched for.

    The page itself logs the class of an error.
    """
    return record.exc_info is None


def queue_of(dataset: str) -> str:
    """The default folder of a dataset's requests."""
    return f"{dataset.rstrip('/')}.requests"
