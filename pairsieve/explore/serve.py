"""Run the search page in uvicorn, with bounded connections and an end within seconds."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from pairsieve.explore.connections import Connection, ConnectionLimits, ConnectionTable
from pairsieve.explore.gate import Gate

MAX_HEAD_BYTES = 32_000
GRACE_S = 2  # for answers that are under way when the page is told to end
BACKLOG = 1_024
# The event loop releases the interpreter at each send and receive. By Python's default it would
# then wait 5 ms for a thread that renders a page. Chosen by benchmarks/page.py.
SWITCH_INTERVAL_S = 0.0001
# Open files for each connection, and for everything else.
FILES_PER_CONNECTION, OWN_FILES = 2, 200


@dataclass(frozen=True)
class Address:
    """Where the page listens.

    With `behind_proxy` the header X-Forwarded-For of a proxy on this machine is believed.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    behind_proxy: bool = False
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)


def make_server(app: Gate, address: Address) -> uvicorn.Server:
    """Return a server that is not started yet."""
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        # h11 bounds the size of heads, and is written in Python.
        http=cast(Any, _protocol_maker(ConnectionTable(address.limits))),
        ws="none",  # the page has no websockets
        backlog=BACKLOG,
        log_config=None,
        log_level="warning",
        access_log=False,  # it would log what people search for
        server_header=False,
        proxy_headers=address.behind_proxy,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def serve(app: Gate, address: Address) -> None:
    """Answer requests until Ctrl-C or SIGTERM; then end within seconds."""
    raise_file_limit(address.limits.max_connections)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # uvicorn raises the signal again once it has ended.
    with _sigterm_as_interrupt(), suppress(KeyboardInterrupt):
        make_server(app, address).run()


def _protocol_maker(table: ConnectionTable) -> Callable[..., asyncio.Protocol]:
    """Return the function by which uvicorn makes the protocol of each connection."""

    def make_connection(
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        def make_h11(state: Mapping[str, Any]) -> asyncio.Protocol:
            return H11Protocol(config, server_state, {**app_state, **state}, _loop)

        return Connection(table, make_h11)

    return make_connection


def raise_file_limit(connections: int) -> None:
    """Let this process open the files that connections may need, if the system allows it.

    The limit is never lowered.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections * FILES_PER_CONNECTION + OWN_FILES
    if hard != resource.RLIM_INFINITY:
        needed = min(hard, needed)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that the code after the block runs."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
