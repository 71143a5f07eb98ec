"""Limits of the web client; this module imports nothing heavy, because configs import it."""

from __future__ import annotations

from dataclasses import dataclass

ROBOTS_AGENT = "pairsieve"
"""Our name in the user agent and in robots.txt."""


@dataclass(frozen=True)
class ClientSettings:
    """Limits of all requests of one process.

    `contact` is a URL or address to which a publisher can turn.

    A host is busy when it answers 429 or 503. Its URL is requested up to `retries` more times,
    after the pause of Retry-After or a growing pause of the whole host. A host is left alone when
    it asks for a longer pause than `max_pause_s`, or when it fails `host_failures` times in a row.

    With `robots_ai_agents` a robots.txt that refuses a known AI crawler refuses us. `tdmrep`,
    `ai_txt`, `trust_txt` and `rsl` say which other files are read in which sites reserve rights.
    Each of them costs one more request per host.
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
