"""Ways in which a request ends without a body."""

from __future__ import annotations

import aiohttp

from pairsieve.web.addresses import PrivateAddress

NO_CONNECTION = (TimeoutError, aiohttp.ClientError, OSError, ValueError)
"""What a request raises through a server's or the network's fault."""


class Refused(Exception):
    """Ends a request with a status."""

    def __init__(self, status: str, http_status: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.http_status = http_status


class Busy(Exception):
    """The host of the URL `at` asks to come again later, after some seconds if it says how many."""

    def __init__(self, at: str, http_status: int, seconds: float | None) -> None:
        super().__init__(http_status)
        self.at, self.http_status, self.seconds = at, http_status, seconds


def is_private(error: BaseException) -> bool:
    """Whether a request failed because its host is at an address that is not public."""
    return isinstance(getattr(error, "os_error", error), PrivateAddress) or isinstance(
        error.__cause__, PrivateAddress
    )


def status_of(error: BaseException) -> str:
    """The status of a URL whose request raised one of NO_CONNECTION."""
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "tls_error"
    return "private_address" if is_private(error) else "connection_error"
