"""Limits of the web client; a config has them, and importing them costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

ROBOTS_AGENT = "pairsieve"
"""Our name in the user agent and for robots.txt."""


@dataclass(frozen=True)
class ClientSettings:
    """Limits of all requests of one process. `contact` is a URL or address that a publisher can
    turn to.

    A URL whose host is busy (429, 503) is asked for up to `retries` times more, after Retry-After
    or a growing pause of the whole host. A host that asks for a longer pause than `max_pause_s`, or
    that fails `host_failures` times in a row, is left alone. `robots_ai_agents`: whether a
    robots.txt that refuses a known AI crawler refuses us. `tdmrep`, `ai_txt`, `trust_txt`, `rsl`:
    which other files by which sites reserve rights are asked for, each one more request a host.
    """

    contact: str
    connections: int
    connections_per_host: int
    min_interval_s: float
    connect_timeout_s: float
    read_timeout_s: float
    total_timeout_s: float
    max_bytes: int
    max_redirects: int
    ports: tuple[int, ...]
    allow_networks: tuple[str, ...]
    retries: int = 2
    max_pause_s: float = 30
    host_failures: int = 10
    robots_ai_agents: bool = True
    bytes_per_s: float | None = None
    tdmrep: bool = False
    ai_txt: bool = False
    trust_txt: bool = False
    rsl: bool = False

    @property
    def user_agent(self) -> str:
        return f"{ROBOTS_AGENT} (+{self.contact})"
