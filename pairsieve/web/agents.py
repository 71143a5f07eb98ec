"""The list of crawlers that collect for AI, by the names that publishers use for them.

Publishers write these names in robots.txt and in robots meta elements. The list is
pairsieve/web/ai_agents.yaml.
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
    """One crawler.

    `token` is its name in lower case. `operator` runs it. `purpose` is training, search, assistant
    or undisclosed. `source` is its operator's page, or the list that names it.
    """

    token: str
    operator: str
    purpose: str
    source: str


@dataclass(frozen=True, slots=True)
class AgentList:
    """The crawlers, and the day on which the list was last compared with its sources."""

    checked: date
    sources: tuple[str, ...]
    agents: tuple[AiAgent, ...]

    def age_days(self, today: date) -> int:
        """Return the days since the list was last compared."""
        return (today - self.checked).days


@lru_cache(1)
def read_agents() -> AgentList:
    """Read the list that is shipped with this package."""
    # YAML, because people compare and edit the list.
    contents = yaml.safe_load(AGENTS_FILE.read_text("utf-8"))
    agents = tuple(AiAgent(**entry) for entry in contents["agents"])
    return AgentList(contents["checked"], tuple(contents["sources"]), agents)


@lru_cache(1)
def ai_agents() -> frozenset[str]:
    """Return the names of all crawlers on the list, in lower case."""
    return frozenset(agent.token for agent in read_agents().agents)
