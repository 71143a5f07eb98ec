"""One request of ASGI, sent chunk by chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any


class Client:
    """One request of ASGI; `read` counts the messages that were taken of it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.read = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        chunks: Iterable[bytes] | None = None,
        query: bytes = b"",
        address: str = "192.0.2.1",
        host: str = "localhost",
    ) -> Client:
        all_headers = [("host", host), *headers]
        asyncio.run(self._ask(method, path, all_headers, chunks, query, address))
        return self

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]],
        chunks: Iterable[bytes] | None,
        query: bytes,
        address: str,
    ) -> None:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "query_string": query,
            "headers": raw, "client": (address, 1), "server": ("localhost", 80), "scheme": "http",
            "root_path": "", "state": {},
        }  # fmt: skip
        left = iter(chunks or ())

        async def receive() -> dict[str, Any]:
            self.read += 1
            chunk = next(left, None)
            return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.body += message.get("body", b"")

        await self.app(scope, receive, send)
