"""What a host's robots.txt allows: crawling (RFC 9309), and the use for AI training.

Lines are read as leniently as Google's parser reads them (google/robotstxt: missing colons,
misspelt fields, versions behind a name); its answers are the tests'. Beside Allow and Disallow the
same groups may say how content may be used:

    Content-Usage, Content-Signal ...    pairsieve/web/usage.py; after a path or for everything
    DisallowAITraining, AllowAITraining  draft-canel-robots-ai-control-00, October 2024; a path, as
                                         Disallow
    TDM-Reservation                      no specification, and yet written: 1 reserves everything
    License                              RSL 1.0, December 2025 (pairsieve/web/rsl.py): the address
                                         of a licence file
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from pairsieve.web.agents import ai_agents
from pairsieve.web.client_settings import ROBOTS_AGENT
from pairsieve.web.paths import (
    PathPattern,
    comparable_target,
    longest_fitting,
    most_specific,
    path_pattern,
)
from pairsieve.web.usage import ROBOTS_USAGE_FIELDS, read_usage

EVERYBODY = "*"
BYTE_ORDER_MARK = "\ufeff"  # with it the first line would be no line that anybody knows
MAX_LINE_CHARS = 2083 * 8  # Google's: longer than any URL that browsers take, each octet escaped
_LINE_END = re.compile(r"\r\n|\r|\n")
_PRODUCT = re.compile(r"[a-z0-9_-]+")
# misspellings that Google's parser takes
_DISALLOW = ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")
_AGENT = ("user-agent", "useragent", "user agent")
_TRAINING = {"disallowaitraining": False, "allowaitraining": True}
# after one of them an agent's name begins another group
_RULES = frozenset(("allow", *_DISALLOW, *_TRAINING, *ROBOTS_USAGE_FIELDS))


@dataclass(frozen=True, slots=True)
class Group:
    """Lines for some agents, whose names are in lower case; without a name they stand before the
    first group.
    """

    agents: list[str] = field(default_factory=list)
    crawling: list[tuple[PathPattern, bool]] = field(default_factory=list)
    training: list[tuple[PathPattern, bool]] = field(default_factory=list)
    usages: dict[str, list[tuple[PathPattern, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    licences: list[str] = field(default_factory=list)
    crawl_delays_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Robots:
    """A robots.txt. `ai_agents`: whether a no to any known AI crawler is a no to us."""

    text: str
    ai_agents: bool

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return tuple(_groups(self.text))

    @cached_property
    def licences(self) -> tuple[str, ...]:
        """The licence files that it names for us, or else for anybody: drafts of RSL knew no
        licences of a group.
        """
        for_us = [
            address
            for groups in (self._ours, *self._named)
            for group in groups
            for address in group.licences
        ]
        for_anybody = [address for group in self._groups for address in group.licences]
        return tuple(dict.fromkeys(for_us or for_anybody))

    @cached_property
    def _ours(self) -> tuple[Group, ...]:
        return self._groups_of(ROBOTS_AGENT) or self._groups_of(EVERYBODY)

    @cached_property
    def _named(self) -> tuple[tuple[Group, ...], ...]:
        """The groups of each AI crawler that this file names: the others are met by the rules for
        everybody, as we are.
        """
        if not self.ai_agents:
            return ()
        known = ai_agents()
        named = {agent for group in self._groups for agent in group.agents if agent in known}
        every = (self._groups_of(agent) for agent in sorted(named))
        # Many agents share their groups, and what holds for one holds for all of them then.
        return tuple({tuple(map(id, groups)): groups for groups in every}.values())

    @cached_property
    def _by_agent(self) -> Mapping[str, tuple[Group, ...]]:
        """The groups of each agent in their order; each group once, however often it names the
        agent.
        """
        found: dict[str, dict[int, Group]] = defaultdict(dict)
        for number, group in enumerate(self._groups):
            for agent in group.agents:
                found[agent][number] = group
        return {agent: tuple(groups.values()) for agent, groups in found.items()}

    def _groups_of(self, agent: str) -> tuple[Group, ...]:
        return self._by_agent.get(agent, ())

    def refusal(self, url: str) -> str | None:
        """The status with which a URL is not asked for, or None."""
        if not self.text:  # as most hosts, which have none
            return None
        target = comparable_target(url)
        fitting = {id(group): _fitting(group, target) for group in self._groups}

        def about(groups: Iterable[Group]) -> tuple[Group, ...]:
            return tuple(fitting[id(group)] for group in groups)

        if not _may_crawl(about(self._ours), target):
            return "robots_disallowed"
        if not all(_may_crawl(about(groups), target) for groups in self._named):
            return "robots_ai_disallowed"
        for_all = [group for group in self._groups if not group.agents]
        reserved = any(
            _reserves(about((*for_all, *groups)), target) for groups in (self._ours, *self._named)
        )
        return "robots_ai_reserved" if reserved else None

    def may_crawl(self, url: str) -> bool:
        """Whether we may ask for a URL at all."""
        return not self.text or _may_crawl(self._ours, comparable_target(url))

    @property
    def crawl_delay_s(self) -> float:
        """The pause that it asks of us, 0 where it asks for none."""
        return max((delay for group in self._ours for delay in group.crawl_delays_s), default=0.0)


def robots_lines(text: str) -> Iterator[tuple[str, str]]:
    """(field in lower case, value) of each line. A colon that is missing may be a blank."""
    for whole in _LINE_END.split(text.removeprefix(BYTE_ORDER_MARK)):
        line = whole[:MAX_LINE_CHARS].partition("#")[0].strip()
        name, colon, value = line.partition(":")
        if not colon:
            words = line.split()
            if len(words) != 2:
                continue
            name, value = words
        yield name.strip().lower(), value.strip()


def _groups(text: str) -> Iterator[Group]:
    """Lines that name agents begin a group, unless nothing but such lines stands between them;
    unknown lines end none.
    """
    group, names_agents = Group(), False
    for name, value in robots_lines(text):
        if name.startswith(_AGENT):
            if not names_agents:
                yield group
                group, names_agents = Group(), True
            group.agents.extend(_agents_in(value))
        else:
            _take(group, name, value)
            names_agents = names_agents and name not in _RULES
    yield group


def _agents_in(value: str) -> Iterator[str]:
    """The names in a User-agent line: whole, and up to what is no part of a product's name; several
    may stand behind commas.
    """
    for part in value.lower().split(","):
        whole = part.strip()
        product = _PRODUCT.match(whole)
        if whole.split()[:1] == [EVERYBODY]:
            yield EVERYBODY
        else:
            yield from dict.fromkeys((whole, product[0] if product else whole))


def _take(group: Group, name: str, value: str) -> None:
    """Put a line into its group; a rule without a path is none."""
    if name == "allow" or name in _DISALLOW:
        if value:
            group.crawling.append((path_pattern(value), name == "allow"))
    elif name in _TRAINING:
        if value:
            group.training.append((path_pattern(value), _TRAINING[name]))
    elif name in ROBOTS_USAGE_FIELDS:
        path, preferences = _split_usage(value)
        group.usages[name].append((path_pattern(path), preferences))
    elif name == "tdm-reservation":
        group.training.append((path_pattern("/"), value != "1"))
    elif name == "crawl-delay":
        group.crawl_delays_s.append(_seconds(value))
    elif name == "license":
        group.licences.append(value)


def _split_usage(value: str) -> tuple[str, str]:
    """(path, preferences): the path ends at the first blank or tab, and may be missing."""
    if not value.startswith(("/", "*")):
        return "/", value
    path, *preferences = value.split(None, 1)
    return path, "".join(preferences)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _fitting(group: Group, target: str) -> Group:
    """A group reduced to what decides about a target: a group of thousands of lines may be shared
    by a hundred agents.
    """
    usages = defaultdict(
        list, {name: longest_fitting(rules, target) for name, rules in group.usages.items()}
    )
    training, crawling = (
        longest_fitting(group.training, target),
        longest_fitting(group.crawling, target),
    )
    return replace(group, training=training, crawling=crawling, usages=usages)


def _may_crawl(groups: Iterable[Group], target: str) -> bool:
    """The longest match decides, and of two that are equally long the one that allows (RFC 9309,
    2.2.2).
    """
    said = most_specific((rule for group in groups for rule in group.crawling), target)
    return not said or any(said)


def _reserves(groups: tuple[Group, ...], target: str) -> bool:
    """Whether training is refused by one of the fields; what cannot be read is a no."""
    if not all(most_specific((rule for group in groups for rule in group.training), target)):
        return True
    return any(_refuses(name, groups, target) for name in ROBOTS_USAGE_FIELDS)


def _refuses(field_name: str, groups: tuple[Group, ...], target: str) -> bool:
    """The longest path decides alone; lines of the same path stand together
    (draft-ietf-aipref-attach-05).
    """
    usage = read_usage(
        *most_specific((rule for group in groups for rule in group.usages[field_name]), target)
    )
    return usage.denies or usage.unreadable
