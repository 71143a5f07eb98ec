"""Fetches pairs from the loopback site, as the fetch stage does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from filters.rights.rights import ResponseRights, Rights
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image
from pairsieve.web.answer import FetchRequest
from pairsieve.web.client import open_client
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.schedule import Schedule
from tests.support.site import Site
from transforms.fetch.open_part import Consent, Gate, load_gate, open_part

# Longer than a busy machine needs for an answer on loopback. Tests of timeouts set shorter ones.
WAIT_S = 60


def client_settings(site: Site, **changes: Any) -> ClientSettings:
    settings = ClientSettings(
        contact="https://example.org/bot",
        connections=8,
        connections_per_host=4,
        min_interval_s=0.0,
        connect_timeout_s=WAIT_S,
        read_timeout_s=WAIT_S,
        total_timeout_s=WAIT_S,
        max_bytes=2000,
        max_redirects=3,
        ports=(80, 443, site.port),
        allow_networks=("127.0.0.1/32",),
    )
    return replace(settings, **changes)


async def ask_all(settings: ClientSettings, requests: list[FetchRequest]) -> None:
    given = [requests]

    async def refill() -> list[FetchRequest] | None:
        return given.pop() if given else None

    async with open_client(settings) as opened:
        await Schedule(opened, refill, max_waiting=1000).run()


def pair(url: str, caption: str = "a red star", signals: tuple[str, ...] = ()) -> Pair:
    return Pair(
        key_of(url, caption),
        url,
        caption,
        "en",
        "en",
        "",
        "",
        0,
        "",
        "",
        0,
        {"page_rights_signals": signals},
    )


GATE = load_gate(Consent([Rights(("noai",))], [], [ResponseRights()]))


def fetch(
    site: Site, pairs: Sequence[Pair], gate: Gate = GATE, **changes: Any
) -> tuple[list[Image], dict[str, bytes]]:
    """Fetch one part; (what became of each pair, sha256 -> stored bytes)."""
    stored: dict[str, bytes] = {}
    part = open_part(pairs, gate, stored.__setitem__)
    asyncio.run(ask_all(client_settings(site, **changes), part.requests()))
    images = part.images()
    assert [image.key for image in images] == [p.key for p in pairs]
    return images, stored
