"""uvicorn around the page, with what it lacks: deadlines and a number for connections, an end
within seconds.
"""

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

from pairsieve.explore.connections import Connection, Door, Patience
from pairsieve.explore.gate import Gate

MOST_HEAD_BYTES = 32_000
GRACE_S = 2  # for answers under way when the page is told to end
BACKLOG = 1_024
# the event loop gives the interpreter up at each send and receive, and would wait 5 ms for a thread
# that renders
SWITCH_S = 0.0005
FILES_EACH, OWN_FILES = 2, 200  # files open for a connection, and for everything else


@dataclass(frozen=True)
class Address:
    """Where the page listens; `behind_proxy`: X-Forwarded-For of a proxy on this machine is
    believed.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    behind_proxy: bool = False
    patience: Patience = field(default_factory=Patience)


def make_server(app: Gate, at: Address) -> uvicorn.Server:
    """A server that is not started yet.

    h11, since it bounds the size of heads and is written in Python.
    """
    config = uvicorn.Config(
        app,
        host=at.host,
        port=at.port,
        http=cast(Any, _connections(Door(at.patience))),
        ws="none",
        backlog=BACKLOG,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=at.behind_proxy,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def serve(app: Gate, at: Address) -> None:
    """Answer until Ctrl-C or SIGTERM; then end within seconds."""
    raise_file_limit(at.patience.most)
    sys.setswitchinterval(SWITCH_S)
    # uvicorn raises the signal again once it has ended
    with _terminated_as_interrupted(), suppress(KeyboardInterrupt):
        make_server(app, at).run()


def _connections(door: Door) -> Callable[..., asyncio.Protocol]:
    """What uvicorn makes for each connection."""

    def connection(
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        def inner(state: Mapping[str, Any]) -> asyncio.Protocol:
            return H11Protocol(config, server_state, {**app_state, **state}, _loop)

        return Connection(door, inner)

    return connection


def raise_file_limit(connections: int) -> None:
    """Let this process have as many files open as connections may need, as far as the system
    allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * FILES_EACH + OWN_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that what is behind it is done."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
