"""No network but the fetch: code that looks at what others wrote may open no connection and start
no process.

Many libraries follow an address when they meet one: a schema, a stylesheet, a remote manifest.
Python tells an audit hook before it connects or starts something (PEP 578). While data of others
are looked at, the hook refuses, and remembers that it was asked: a library that swallows the
refusal is found out when it returns. Native code that opens sockets by itself is not seen; it has
to be told not to, as filters/rights/c2pa.py does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

Result = TypeVar("Result")

# Audit events (Python's "Audit events table") of connections, of names that are looked up, and of
# processes.
REFUSED_EVENTS = frozenset(
    (
        "socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind",
        "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty",
        "pty.spawn",
    )
)  # fmt: skip
# what was tried, where it is refused
_REFUSED: ContextVar[list[str] | None] = ContextVar("refused", default=None)


class NetworkForbidden(Exception):
    """Code that looks at data of others tried to open a connection or to start a process; the
    message names the audit event.
    """


def offline(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function that may open no connection and start no process, on this thread and in what
    it hands to an event loop.

    Raises NetworkForbidden where it tried, whatever it made of the refusal; else what the function
    raises.
    """
    _install_hook()
    tried: list[str] = []
    token = _REFUSED.set(tried)
    try:
        return function(*arguments)
    finally:
        _REFUSED.reset(token)
        if tried:  # whether the function returned something, or raised something else
            raise NetworkForbidden(tried[0]) from None


@lru_cache(1)
def forbid_in_this_process() -> None:
    """Refuse connections and new processes on every thread from now on, for the life of the
    process.
    """
    sys.addaudithook(_refuse)


@lru_cache(1)
def _install_hook() -> None:
    """Once a process: a hook cannot be taken back."""
    sys.addaudithook(_refuse_where_offline)


def _refuse_where_offline(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in REFUSED_EVENTS:
        tried = _REFUSED.get()
        if tried is not None:
            tried.append(event)
            raise NetworkForbidden(event)


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in REFUSED_EVENTS:
        raise NetworkForbidden(event)
