"""What a host's robots.txt allows: crawling, by RFC 9309 (protego), and the use for AI training.

Two extensions say how content may be used, in the same groups: Content-Usage (IETF AIPREF draft, `train-ai=n`, optionally
after a path) and Content-Signal (Cloudflare, `ai-train=no`). The most restrictive of all that apply wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from protego import Protego

from web.agents import AI_AGENTS

ROBOTS_AGENT = "pairsieve"
USAGE_FIELDS = ("content-usage", "content-signal")
AI_USES = ("train-ai", "train-genai", "ai-train", "ai", "genai")
BYTE_ORDER_MARK = "\ufeff"  # with it the first line would be no line that anybody knows
_NO = ("n", "no")


@dataclass(frozen=True, slots=True)
class RobotsText:
    """What a host's robots.txt said (nothing, where it has none), and when it was read (seconds since 1970)."""

    text: str
    read_at: float


@dataclass(frozen=True)
class Robots:
    """A robots.txt. `ai_agents`: whether a no to any known AI crawler is a no to us."""

    text: str
    ai_agents: bool

    @cached_property
    def _rules(self) -> Protego:
        return Protego.parse(self.text.removeprefix(BYTE_ORDER_MARK))

    @cached_property
    def _reserved(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_path_pattern(path) for path in reserved_paths(self.text))

    @cached_property
    def _named_agents(self) -> tuple[str, ...]:
        """The AI crawlers that this file names: the others are met by the rules for everybody, as we are."""
        lower = self.text.lower()
        return tuple(agent for agent in AI_AGENTS if agent in lower) if self.ai_agents else ()

    def refusal(self, url: str) -> str | None:
        """The status with which a URL is not asked for, or None."""
        if not self.text:  # as most hosts, which have none
            return None
        if not self._rules.can_fetch(url, ROBOTS_AGENT):
            return "robots_disallowed"
        if any(not self._rules.can_fetch(url, agent) for agent in self._named_agents):
            return "robots_ai_disallowed"
        parts = urlsplit(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return "robots_ai_reserved" if any(pattern.match(path) for pattern in self._reserved) else None

    @property
    def crawl_delay_s(self) -> float:
        """The pause that it asks of us, 0 where it asks for none."""
        return float(self._rules.crawl_delay(ROBOTS_AGENT) or 0)


def reserved_paths(text: str) -> Iterator[str]:
    """Paths that a usage preference reserves, for everybody, for us or for an AI crawler; "/" where it names none."""
    agents: list[str] = []
    in_group = False
    for line in text.removeprefix(BYTE_ORDER_MARK).splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        name, value = field.strip().lower(), value.strip()
        if not colon:
            continue
        if name == "user-agent":
            agents = [*(() if in_group else agents), value.lower()]
            in_group = False
            continue
        in_group = True
        if name in USAGE_FIELDS and _is_for_us(agents):
            path, preferences = _split_usage(value)
            if _forbids(preferences):
                yield path


def _is_for_us(agents: list[str]) -> bool:
    """Before the first group a preference is for everybody."""
    return not agents or any(agent in ("*", ROBOTS_AGENT, *AI_AGENTS) for agent in agents)


def _split_usage(value: str) -> tuple[str, str]:
    if not value.startswith("/"):
        return "/", value
    path, _, preferences = value.partition(" ")
    return path, preferences


def _forbids(preferences: str) -> bool:
    said = (part.partition("=") for part in re.split(r"[,;\s]+", preferences.lower()))
    return any(use.strip() in AI_USES and answer.strip().strip('"') in _NO for use, _, answer in said)


def _path_pattern(path: str) -> re.Pattern[str]:
    """RFC 9309, 2.2.3: `*` is any characters, `$` the end; else a prefix."""
    ends = path.endswith("$")
    pattern = ".*".join(map(re.escape, path.removesuffix("$").split("*")))
    return re.compile(pattern + ("$" if ends else ""))
