"""Every detector and rule that a config can name, as data and as text."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from importlib.metadata import entry_points
from typing import Any

from filters.detector import Detector
from filters.registry import DETECTOR_GROUP, DETECTORS, RULE_GROUP, RULES
from filters.rule import Rule

Entry = dict[str, Any]
WIDTH = 110


def catalogue(plugins: bool = True) -> dict[str, list[Entry]]:
    """Built-in ones and, with `plugins`, those that installed packages bring (their code is
    imported), by name.
    """
    detectors = [
        _detector(kind, source) for kind, source in _all(DETECTORS, DETECTOR_GROUP, plugins)
    ]
    rules = [_rule(kind, source) for kind, source in _all(RULES, RULE_GROUP, plugins)]
    return {"detectors": detectors, "rules": rules}


def _all(table: Mapping[str, type], group: str, plugins: bool) -> Iterator[tuple[Any, str]]:
    yield from ((kind, "built in") for _, kind in sorted(table.items()))
    for point in sorted(entry_points(group=group), key=lambda point: point.name) if plugins else ():
        if point.name not in table:
            yield point.load(), point.dist.name if point.dist else point.value


def _detector(kind: type[Detector], source: str) -> Entry:
    columns = {name: str(arrow) for name, arrow in kind.columns.items()}
    return {**_common(kind, source), "input": kind.needs.name.lower(), "evidence": columns}


def _rule(kind: type[Rule], source: str) -> Entry:
    actions = [str(action) for action in kind.actions]
    return {
        **_common(kind, source),
        "reads": list(kind.reads),
        "actions": actions,
        "before_fetch": kind.saves_request,
    }


def _common(kind: Any, source: str) -> Entry:
    return {
        "name": kind.name,
        "version": kind.version,
        "source": source,
        "what": inspect.getdoc(kind) or "",
        "settings": {f.name: _default(f) for f in fields(kind)},
    }


def _default(setting: Field[Any]) -> Any:
    if setting.default is not MISSING:
        return setting.default
    return (
        repr(setting.default_factory()) if setting.default_factory is not MISSING else "must be set"
    )


def described(found: Mapping[str, list[Entry]]) -> str:
    """The catalogue as text for a terminal."""
    return "\n".join(
        f"{kind.upper()}\n\n" + "\n".join(map(_paragraph, entries))
        for kind, entries in found.items()
    )


def _paragraph(entry: Entry) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in entry["settings"].items()) or "none"
    if "evidence" in entry:
        facts = [
            ("input", entry["input"]),
            ("evidence", ", ".join(f"{name} ({kind})" for name, kind in entry["evidence"].items())),
        ]
    else:
        when = ", before the fetch too" if entry["before_fetch"] else ""
        facts = [
            ("reads", ", ".join(entry["reads"]) or "what every sample has"),
            ("actions", ", ".join(entry["actions"]) + when),
        ]
    lines = [f"{entry['name']}  version {entry['version']}, {entry['source']}"]
    lines += [_indented(name, text) for name, text in (*facts, ("settings", settings))]
    return "\n".join([*lines, textwrap.indent(entry["what"], "    "), ""])


def _indented(name: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"    {name:<10}", subsequent_indent=" " * 14)
