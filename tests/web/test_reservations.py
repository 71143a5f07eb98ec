from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pairsieve.web.agents import ai_agents, read_agents
from pairsieve.web.reservations import RESERVATIONS, robots_signals

CONSENT = (Path(__file__).resolve().parent.parent.parent / "docs" / "consent.md").read_text("utf-8")


@pytest.mark.parametrize("row", RESERVATIONS, ids=lambda row: row.name)
def test_each_reservation_is_documented(row):
    assert (
        f"| `{row.name}` | {row.place} | {row.grammar} | [{row.dated}]({row.source}) | "
        f"{row.means} |" in CONSENT
    )


def test_names_are_said_once():
    names = [row.name for row in RESERVATIONS]
    assert len(names) == len(set(names))


def test_the_list_of_agents():
    listed = read_agents()
    tokens = [agent.token for agent in listed.agents]
    assert tokens == sorted(set(tokens))
    assert all(token == token.lower() for token in tokens)
    assert {agent.purpose for agent in listed.agents} == {
        "training",
        "search",
        "assistant",
        "undisclosed",
    }
    assert all(agent.source.startswith("https://") and agent.operator for agent in listed.agents)
    assert listed.age_days(date(2026, 12, 7)) == 10
    assert not {"googlebot", "bingbot", "applebot", "*"} & ai_agents()


@pytest.mark.parametrize(
    "value",
    [
        "noai",
        " NOAI ".lower(),
        "index,noai",
        "index;noai",
        "a: noai",
        "max-snippet:5 , noai",
        "noai\tfollow",
    ],
)
def test_a_word_is_found_wherever_it_stands(value):
    assert "noai" in set(robots_signals(value))


@pytest.mark.parametrize(
    "value", ["noaid", "x-noai", "max-image-preview:none", "unavailable_after: none", ""]
)
def test_a_word_is_found_whole(value):
    assert not set(robots_signals(value))
