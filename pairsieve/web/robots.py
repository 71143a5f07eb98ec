"""Reads robots.txt: what a host allows to be crawled (RFC 9309) and used for AI training.

The parser is as lenient as Google's (google/robotstxt): it accepts missing colons, misspelt fields
and a version behind an agent's name. The tests compare with the answers of Google's parser. Beside
Allow and Disallow a group may say how its content may be used:

    Content-Usage, Content-Signal ...    pairsieve/web/usage.py; after a path, or for everything
    DisallowAITraining, AllowAITraining  draft-canel-robots-ai-control-00, October 2024; a path, as
                                         in Disallow
    TDM-Reservation                      has no specification but is in use: 1 reserves everything
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
    Value,
    comparable_target,
    longest_fitting,
    most_specific,
    path_pattern,
)
from pairsieve.web.urls import host_of
from pairsieve.web.usage import ROBOTS_USAGE_FIELDS, read_usage

EVERYBODY = "*"
BYTE_ORDER_MARK = "\ufeff"  # would make the name of the first field unknown
# Google's limit: longer than any URL that browsers accept, with each octet escaped
MAX_LINE_CHARS = 2083 * 8
_LINE_END = re.compile(r"\r\n|\r|\n")
_PRODUCT = re.compile(r"[a-z0-9_-]+")
# The misspellings are those that Google's parser accepts.
_DISALLOW = ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")
_AGENT = ("user-agent", "useragent", "user agent")
_TRAINING = {"disallowaitraining": False, "allowaitraining": True}
# An agent's name behind one of these fields begins another group.
_RULES = frozenset(("allow", *_DISALLOW, *_TRAINING, *ROBOTS_USAGE_FIELDS))


@dataclass(frozen=True, slots=True)
class Group:
    """The lines for some agents.

    Names of agents are in lower case. Lines before the first User-agent line form a group without
    agents. `crawling` and `training` are (path, allowed); `usages` holds (path, preferences) by
    field.
    """

    agents: list[str] = field(default_factory=list)
    crawling: list[tuple[PathPattern, bool]] = field(default_factory=list)
    training: list[tuple[PathPattern, bool]] = field(default_factory=list)
    usages: dict[str, list[tuple[PathPattern, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    licences: list[str] = field(default_factory=list)
    crawl_delays_s: list[float] = field(default_factory=list)

    def extend(self, other: Group) -> None:
        """Add the lines of another group for the same agents."""
        self.crawling.extend(other.crawling)
        self.training.extend(other.training)
        self.licences.extend(other.licences)
        self.crawl_delays_s.extend(other.crawl_delays_s)
        for name, rules in other.usages.items():
            self.usages[name].extend(rules)


@dataclass(frozen=True)
class Robots:
    """A robots.txt; with `ai_agents` a no to any known AI crawler is a no to us."""

    text: str
    ai_agents: bool

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        """The groups of the file; those for the same agents are one (RFC 9309, 2.2.1)."""
        by_agents: dict[tuple[str, ...], Group] = {}
        for group in _groups(self.text):
            first = by_agents.setdefault(tuple(group.agents), group)
            if first is not group:
                first.extend(group)
        return tuple(by_agents.values())

    @cached_property
    def licences(self) -> tuple[str, ...]:
        """The addresses of the licence files for us, or those of all groups where we have none.

        Drafts of RSL did not tie licences to a group, so a file may name them anywhere.
        """
        for_us: list[str] = []
        for groups in (self._ours, *self._named):
            for group in groups:
                for_us.extend(group.licences)
        for_anybody = [address for group in self._groups for address in group.licences]
        return tuple(dict.fromkeys(for_us or for_anybody))

    @cached_property
    def _ours(self) -> tuple[Group, ...]:
        return self._groups_of(ROBOTS_AGENT) or self._groups_of(EVERYBODY)

    @cached_property
    def _named(self) -> tuple[tuple[Group, ...], ...]:
        """The groups of each AI crawler that this file names.

        Crawlers without a group of their own obey the rules for everybody, as we do.
        """
        if not self.ai_agents:
            return ()
        known = ai_agents()
        named = {agent for group in self._groups for agent in group.agents if agent in known}
        # Many agents share their groups. The rules of each set of groups are read once.
        distinct: dict[tuple[int, ...], tuple[Group, ...]] = {}
        for agent in sorted(named):
            groups = self._groups_of(agent)
            distinct[tuple(map(id, groups))] = groups
        return tuple(distinct.values())

    @cached_property
    def _by_agent(self) -> Mapping[str, tuple[Group, ...]]:
        """The groups of each agent in file order, each once even where it repeats the name."""
        by_number: dict[str, dict[int, Group]] = defaultdict(dict)
        for number, group in enumerate(self._groups):
            for agent in group.agents:
                by_number[agent][number] = group
        return {agent: tuple(groups.values()) for agent, groups in by_number.items()}

    def _groups_of(self, agent: str) -> tuple[Group, ...]:
        return self._by_agent.get(agent, ())

    def refusal(self, url: str) -> str | None:
        """Return the status of a URL that must not be requested, or None."""
        # Most hosts have no robots.txt.
        if not self.text:
            return None
        target, host = comparable_target(url), host_of(url)
        reduced: dict[int, Group] = {}

        def rules_of(groups: Iterable[Group]) -> tuple[Group, ...]:
            rules = []
            for group in groups:
                if id(group) not in reduced:
                    reduced[id(group)] = _matching_rules(group, target, host)
                rules.append(reduced[id(group)])
            return tuple(rules)

        if not _may_crawl(rules_of(self._ours), target):
            return "robots_disallowed"
        if not all(_may_crawl(rules_of(groups), target) for groups in self._named):
            return "robots_ai_disallowed"
        # Usage lines before the first User-agent line apply to every agent.
        for_all = [group for group in self._groups if not group.agents]
        for groups in (self._ours, *self._named):
            if _reserves(rules_of((*for_all, *groups)), target):
                return "robots_ai_reserved"
        return None

    def may_crawl(self, url: str) -> bool:
        """Tell whether we may request a URL at all."""
        if not self.text:
            return True
        target, host = comparable_target(url), host_of(url)
        rules = [_matching_rules(group, target, host) for group in self._ours]
        return _may_crawl(rules, target)

    @property
    def crawl_delay_s(self) -> float:
        """The pause between requests that the file asks of us, or 0."""
        return max((delay for group in self._ours for delay in group.crawl_delays_s), default=0.0)


def robots_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield (field in lower case, value) of each line; a blank may replace the colon."""
    for whole_line in _LINE_END.split(text.removeprefix(BYTE_ORDER_MARK)):
        line = whole_line[:MAX_LINE_CHARS].partition("#")[0].strip()
        name, colon, value = line.partition(":")
        if not colon:
            words = line.split()
            if len(words) != 2:
                continue
            name, value = words
        yield name.strip().lower(), value.strip()


def _groups(text: str) -> Iterator[Group]:
    """Split a file into groups.

    A User-agent line begins a group unless only User-agent lines stand before it in the group.
    Unknown fields do not end the list of agents.
    """
    group = Group()
    names_agents = False
    for name, value in robots_lines(text):
        if name.startswith(_AGENT):
            if not names_agents:
                yield group
                group = Group()
                names_agents = True
            group.agents.extend(_agents_in(value))
        else:
            _add_line(group, name, value)
            if name in _RULES:
                names_agents = False
    yield group


def _agents_in(value: str) -> Iterator[str]:
    """Yield the agents that a User-agent line names; commas may separate several.

    Each is given as written, and cut to the characters that a product name may have.
    """
    for part in value.lower().split(","):
        whole = part.strip()
        if whole.split()[:1] == [EVERYBODY]:
            yield EVERYBODY
            continue
        product = _PRODUCT.match(whole)
        names = (whole, product[0]) if product else (whole,)
        yield from dict.fromkeys(names)


def _add_line(group: Group, name: str, value: str) -> None:
    """Add a line to its group; a rule without a path says nothing."""
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
    """Split a value into (path, preferences) at the first blank or tab; the path is optional."""
    if not value.startswith(("/", "*")):
        return "/", value
    path, *preferences = value.split(None, 1)
    return path, "".join(preferences)


def _seconds(value: str) -> float:
    """Read a number of seconds; 0 where the value is not finite and positive."""
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _matching_rules(group: Group, target: str, host: str) -> Group:
    """Reduce a group to the rules that decide about a target on a host.

    A hundred agents may share a group of thousands of lines. So each group is searched once. Rules
    that are whole URLs of other hosts are left out: a file speaks for its own (RFC 9309, 2.3).
    """

    def fitting(rules: list[tuple[PathPattern, Value]]) -> list[tuple[PathPattern, Value]]:
        counting = [rule for rule in rules if _counts(*rule, host)]
        return longest_fitting(counting, target)

    usages = defaultdict(list)
    for name, rules in group.usages.items():
        usages[name] = fitting(rules)
    return replace(
        group, training=fitting(group.training), crawling=fitting(group.crawling), usages=usages
    )


def _counts(pattern: PathPattern, value: object, host: str) -> bool:
    """Whether a rule counts on a host. One whose own host is unclear counts unless it allows."""
    is_about = pattern.is_about(host)
    return value is not True if is_about is None else is_about


def _may_crawl(groups: Iterable[Group], target: str) -> bool:
    """Apply RFC 9309, 2.2.2: the longest match decides; between equals, the one that allows."""
    rules = (rule for group in groups for rule in group.crawling)
    answers = most_specific(rules, target)
    return not answers or any(answers)


def _reserves(groups: tuple[Group, ...], target: str) -> bool:
    """Tell whether any field refuses training; an unreadable field is a no."""
    rules = (rule for group in groups for rule in group.training)
    if not all(most_specific(rules, target)):
        return True
    return any(_refuses(name, groups, target) for name in ROBOTS_USAGE_FIELDS)


def _refuses(field_name: str, groups: tuple[Group, ...], target: str) -> bool:
    """Tell whether a usage field refuses training with a target.

    Only the lines with the longest path count. Lines with the same path are read together
    (draft-ietf-aipref-attach-05).
    """
    rules = (rule for group in groups for rule in group.usages[field_name])
    usage = read_usage(*most_specific(rules, target))
    return usage.denies or usage.unreadable
