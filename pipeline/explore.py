"""Serve the search page of a dataset: people find themselves in it, and ask to be taken out.

python -m pipeline.explore --dataset runs/mine                          http://127.0.0.1:8080
python -m pipeline.explore --dataset runs/mine --config my.yaml         and search by meaning (needs published embeddings)
python -m pipeline.explore --dataset runs/mine --host 0.0.0.0           to the world; put a server with TLS before it

`pairsieve index` makes the index, and brings it up to date after an erasure; the page notices. Requests wait in a private folder
(--queue, by default DATASET.requests) until `pairsieve requests` decides on them. Nothing is loaded from other hosts unless a visitor
asks for pictures. Needs the extra `explore`.
Exit status: 0 ended, 2 there is nothing to serve.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from collections.abc import Sequence

from pipeline.config_options import add_no_plugins
from pipeline.extras import lacks


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.explore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", required=True, metavar="DIR", help="the dataset that was indexed")
    parser.add_argument("--index", metavar="DIR", help="its index (default: DATASET.index)")
    parser.add_argument("--queue", metavar="DIR", help="where requests wait; private (default: DATASET.requests)")
    parser.add_argument("--config", metavar="FILE", help="the dataset's config, for the models that made its vectors")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=value", help="change one setting of the config")
    add_no_plugins(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: 8080)")
    parser.add_argument("--behind-proxy", action="store_true", help="believe X-Forwarded-For of a proxy on this machine")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="no query takes longer (default: 10)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("explore"):
        return 2
    import uvicorn  # noqa: PLC0415 - takes seconds to import; --help need not wait

    from explore.app import Settings, make_app  # noqa: PLC0415
    from images.processes import Processes  # noqa: PLC0415
    from pipeline.audit import NoSuchDataset, read_manifest  # noqa: PLC0415
    from pipeline.config import ConfigError, config_of  # noqa: PLC0415
    from pipeline.encoders import load_encoders  # noqa: PLC0415
    from pipeline.index import index_of  # noqa: PLC0415
    from search.find import check_version, open_search  # noqa: PLC0415
    from search.index import BadIndex  # noqa: PLC0415

    index, queue = options.index or index_of(options.dataset), options.queue or queue_of(options.dataset)
    try:
        manifest = read_manifest(options.dataset)
        check_version(open_search(index).indexed, manifest)
        encoders = load_encoders(config_of(options), manifest) if options.config else {}
    except (BadIndex, NoSuchDataset, ConfigError) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("explore").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(without_traces)
    name = str(manifest.get("name") or "dataset")
    settings = Settings(name, options.dataset, index, queue, secrets.token_hex(32), limit_s=options.timeout)
    processes = Processes(1)
    sys.stderr.write(f"http://{options.host}:{options.port} - end it with Ctrl-C\n")
    try:
        uvicorn.run(
            make_app(settings, encoders, processes),
            host=options.host,
            port=options.port,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=options.behind_proxy,
        )
    finally:
        processes.close()
    return 0


def without_traces(record: logging.LogRecord) -> bool:
    """A trace may hold what somebody looked for; the class of an error is logged by the page itself."""
    return record.exc_info is None


def queue_of(dataset: str) -> str:
    """Where requests wait if nothing else is said."""
    return f"{dataset.rstrip('/')}.requests"


if __name__ == "__main__":
    sys.exit(main())
