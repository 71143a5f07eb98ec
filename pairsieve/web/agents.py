"""Crawlers that collect for AI, by the names that publishers use in robots.txt and robots meta
elements: pairsieve/web/ai_agents.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import yaml

AGENTS_FILE = Path(__file__).with_name("ai_agents.yaml")


@dataclass(frozen=True, slots=True)
class AiAgent:
    """One crawler: its name in lower case, who runs it, what for (training, search, assistant or
    undisclosed), and who says so.
    """

    token: str
    operator: str
    purpose: str
    source: str


@dataclass(frozen=True, slots=True)
class AgentList:
    """The list, and the day on which it was last compared with its sources."""

    checked: date
    sources: tuple[str, ...]
    agents: tuple[AiAgent, ...]

    def age_days(self, today: date) -> int:
        """How old the list is."""
        return (today - self.checked).days


@lru_cache(1)
def read_agents() -> AgentList:
    """The list as it is shipped."""
    held = yaml.safe_load(AGENTS_FILE.read_text("utf-8"))
    return AgentList(
        held["checked"], tuple(held["sources"]), tuple(AiAgent(**entry) for entry in held["agents"])
    )


@lru_cache(1)
def ai_agents() -> frozenset[str]:
    """The names alone."""
    return frozenset(agent.token for agent in read_agents().agents)
