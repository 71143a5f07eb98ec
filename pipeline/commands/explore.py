"""Serve the search page, where people find themselves and ask to be taken out.

pairsieve explore --dataset runs/mine
    http://127.0.0.1:8080
pairsieve explore --dataset runs/mine --config my.yaml
    and search by meaning (needs published embeddings)
pairsieve explore --dataset runs/mine --public-host search.example.org --behind-proxy
                                                                        to the world, through a
                                                                        server with TLS on this
                                                                        machine


`pairsieve index` makes the index, and brings it up to date after an erasure; the page notices.
Requests wait in a private folder (--queue, by default DATASET.requests) until `pairsieve requests`
decides on them. Nothing is loaded from other hosts unless a visitor asks for pictures. The page
answers under this machine's own names, the address in --host and those in --public-host: under any
other, a page of another site could read it (DNS rebinding). Ctrl-C and SIGTERM end it within
seconds. Needs the extra `explore`. Exit status: 0 ended, 2 there is nothing to serve.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.commands.config_options import add_no_plugins
from pipeline.commands.extras import lacks

if TYPE_CHECKING:
    from pairsieve.explore.settings import Encoder
    from pairsieve.records.manifest import Manifest

# for the process of pictures to end; it ends itself when it has had no work for a minute
CLOSE_S = 1.5
# what a person or two can decide on in some days, and their usual size ten times over
MOST_WAITING, MOST_WAITING_MB = 5_000, 50


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve explore",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset", required=True, metavar="DIR", help="the dataset that was indexed"
    )
    parser.add_argument("--index", metavar="DIR", help="its index (default: DATASET.index)")
    parser.add_argument(
        "--queue", metavar="DIR", help="where requests wait; private (default: DATASET.requests)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config, for the models that made its vectors",
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
        help="believe X-Forwarded-For of a proxy on this machine",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="no query takes longer (default: 10)",
    )
    parser.add_argument(
        "--most-waiting",
        type=int,
        default=MOST_WAITING,
        metavar="N",
        help=f"requests that may wait for a decision (default: {MOST_WAITING})",
    )
    parser.add_argument(
        "--most-waiting-mb",
        type=int,
        default=MOST_WAITING_MB,
        metavar="MB",
        help=f"megabytes of them (default: {MOST_WAITING_MB})",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("explore"):
        return 2
    from pairsieve.erasure.queue import Quota
    from pairsieve.explore.app import make_app
    from pairsieve.explore.connections import ConnectionLimits
    from pairsieve.explore.networks import ANY_ADDRESS, names_of
    from pairsieve.explore.serve import Address, serve
    from pairsieve.explore.settings import Settings
    from pairsieve.images.processes import Limits, Processes
    from pairsieve.search.find import check_version, open_search
    from pairsieve.search.index import BadIndex
    from pairsieve.storage.names import lies_in
    from pipeline.commands.index import index_of
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest

    if options.host in ANY_ADDRESS and not options.public_host:
        sys.stderr.write(
            f"pairsieve: --host {options.host or repr('')} listens on every address of this "
            "machine; say by which name visitors reach the "
            "page: --public-host search.example.org\n"
        )
        return 2
    index, queue = (
        options.index or index_of(options.dataset),
        options.queue or queue_of(options.dataset),
    )
    if lies_in(queue, options.dataset):
        sys.stderr.write(
            f"pairsieve: requests would lie in the dataset ({queue}), which is published; name "
            "another --queue\n"
        )
        return 2
    try:
        manifest = read_manifest(options.dataset)
        check_version(open_search(index).contents, manifest)
        encoders = _encoders(options, manifest) if options.config else {}
    except (BadIndex, NoSuchDataset, BadConfig) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("pairsieve.explore").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(without_traces)
    name = manifest.name or "dataset"
    quota = Quota(options.most_waiting, options.most_waiting_mb * 1_000_000)
    names = names_of(options.host, options.public_host)
    settings = Settings(
        name,
        options.dataset,
        index,
        queue,
        secrets.token_hex(32),
        limit_s=options.timeout,
        quota=quota,
        hosts=names,
    )
    processes = Processes(1, Limits(wall_s=settings.picture_s))
    app = make_app(settings, encoders, processes)
    at = Address(
        options.host,
        options.port,
        options.behind_proxy,
        ConnectionLimits(trusts_loopback=options.behind_proxy),
    )
    sys.stderr.write(f"http://{options.host}:{options.port} - end it with Ctrl-C\n")
    try:
        serve(app, at)
    finally:
        # a process that is only starting may be waited for
        closing = threading.Thread(target=processes.close, daemon=True)
        closing.start()
        closing.join(CLOSE_S)
    if app.is_busy or closing.is_alive():
        _leave()
    return 0


class BadConfig(ValueError):
    """The config cannot be read, or is not the dataset's."""


def _encoders(options: argparse.Namespace, manifest: Manifest) -> Mapping[str, Encoder]:
    """The models that made the vectors. Raises BadConfig."""
    from pipeline.config import config_of
    from pipeline.dataset.encoders import load_encoders
    from pipeline.orchestrate.config_file import ConfigError

    try:
        return load_encoders(config_of(options), manifest)
    except ConfigError as error:
        raise BadConfig(str(error)) from None


def _leave() -> None:
    """End at once: a search that is under way in a thread cannot be ended, nothing is lost with it,
    and Python would wait for it.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def without_traces(record: logging.LogRecord) -> bool:
    """A trace may hold what somebody looked for; the class of an error is logged by the page
    itself.
    """
    return record.exc_info is None


def queue_of(dataset: str) -> str:
    """Where requests wait if nothing else is said."""
    return f"{dataset.rstrip('/')}.requests"
