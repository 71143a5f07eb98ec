"""Keeps code that examines untrusted data from opening connections and starting processes.

Many libraries follow an address when they meet one: a schema, a stylesheet, a remote manifest.
Python calls an audit hook before it connects or starts a process (PEP 578). While untrusted data
are examined, the hook refuses, and remembers that it was called. So a library that swallows the
error is still noticed when it returns. Native code that opens sockets by itself calls no hook. It
must be configured not to, as filters/rights/c2pa.py does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

Result = TypeVar("Result")

# Events of connections, of looking up names, and of processes (Python's "Audit events table").
REFUSED_EVENTS = frozenset(
    (
        "socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind",
        "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty",
        "pty.spawn",
    )
)  # fmt: skip
# The events that were refused inside `offline`, or None outside of it.
_REFUSED: ContextVar[list[str] | None] = ContextVar("refused", default=None)


class NetworkForbidden(Exception):
    """Code that examines untrusted data tried to open a connection or to start a process.

    The message names the audit event.
    """


def offline(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function that must open no connection and start no process.

    This holds on this thread, and in what the function hands to an event loop. Raises
    NetworkForbidden where the function tried, even if it swallowed the error. Raises what the
    function raises otherwise.
    """
    _install_hook()
    refused: list[str] = []
    token = _REFUSED.set(refused)
    try:
        return function(*arguments)
    finally:
        _REFUSED.reset(token)
        # Replaces the function's result, or whatever it raised instead.
        if refused:
            raise NetworkForbidden(refused[0]) from None


@lru_cache(1)
def forbid_in_this_process() -> None:
    """Refuse connections and new processes on every thread, until this process ends."""
    sys.addaudithook(_refuse)


@lru_cache(1)
def _install_hook() -> None:
    """Install the hook once in a process, because a hook cannot be removed."""
    sys.addaudithook(_refuse_where_offline)


def _refuse_where_offline(event: str, _arguments: tuple[Any, ...]) -> None:
    # Python calls this for very many events. Most of them end here.
    if event not in REFUSED_EVENTS:
        return
    refused = _REFUSED.get()
    if refused is not None:
        refused.append(event)
        raise NetworkForbidden(event)


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in REFUSED_EVENTS:
        raise NetworkForbidden(event)
