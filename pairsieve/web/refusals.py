"""The ways in which a request ends without a body."""

from __future__ import annotations

import aiohttp

from pairsieve.web.addresses import PrivateAddress

NO_CONNECTION = (TimeoutError, aiohttp.ClientError, OSError, ValueError)
"""What a request raises through a fault of the server or the network."""


class Refused(Exception):
    """Ends a request with a status; `http_status` is the server's, if it answered."""

    def __init__(self, status: str, http_status: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.http_status = http_status


class Busy(Exception):
    """A host asks us to come again later.

    `at` is the URL of the hop that was busy, because a redirect may lead to another host. `seconds`
    is the pause that the host asks for, or None.
    """

    def __init__(self, at: str, http_status: int, seconds: float | None) -> None:
        super().__init__(http_status)
        self.at = at
        self.http_status = http_status
        self.seconds = seconds


def is_private(error: BaseException) -> bool:
    """Tell whether a request failed because its host has an address that is not public."""
    # aiohttp wraps errors of the socket and of the resolver in different ways.
    wrapped = getattr(error, "os_error", error)
    return isinstance(wrapped, PrivateAddress) or isinstance(error.__cause__, PrivateAddress)


def status_of(error: BaseException) -> str:
    """Return the status of a URL whose request raised one of NO_CONNECTION."""
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError):
        return "timeout"
    # Before the others: errors of TLS are errors of the connection too.
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "tls_error"
    if is_private(error):
        return "private_address"
    return "connection_error"
