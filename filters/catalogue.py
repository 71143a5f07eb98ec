"""List every detector and rule that a config can name, as data and as text."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from importlib.metadata import entry_points
from typing import Any

from filters.detector import Detector
from filters.registry import DETECTOR_GROUP, DETECTORS, RULE_GROUP, RULES
from filters.rule import Rule

Entry = dict[str, Any]
"""What is known of one detector or rule; JSON-ready."""

WIDTH = 110  # characters of a line in a terminal


def catalogue(plugins: bool = True) -> dict[str, list[Entry]]:
    """The entries of all detectors and rules, sorted by name.

    With `plugins`, those of installed packages follow the built-in ones; this imports their code.
    """
    detectors: list[Entry] = []
    for detector, source in _classes(DETECTORS, DETECTOR_GROUP, plugins):
        detectors.append(_detector_entry(detector, source))
    rules: list[Entry] = []
    for rule, source in _classes(RULES, RULE_GROUP, plugins):
        rules.append(_rule_entry(rule, source))
    return {"detectors": detectors, "rules": rules}


def _classes(
    built_ins: Mapping[str, type[Any]], group: str, plugins: bool
) -> Iterator[tuple[Any, str]]:
    """Each class, with the name of the package that it comes from."""
    for _, built_in in sorted(built_ins.items()):
        yield built_in, "built in"
    if not plugins:
        return
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        # a built-in plugin wins over an entry point of the same name
        if point.name not in built_ins:
            yield point.load(), point.dist.name if point.dist else point.value


def _detector_entry(detector: type[Detector], source: str) -> Entry:
    entry = _common_entry(detector, source)
    entry["input"] = detector.needs.name.lower()
    entry["evidence"] = {name: str(arrow) for name, arrow in detector.columns.items()}
    return entry


def _rule_entry(rule: type[Rule], source: str) -> Entry:
    entry = _common_entry(rule, source)
    entry["reads"] = list(rule.reads)
    entry["actions"] = [str(action) for action in rule.actions]
    entry["before_fetch"] = rule.saves_request
    return entry


def _common_entry(plugin: Any, source: str) -> Entry:
    return {
        "name": plugin.name,
        "version": plugin.version,
        "source": source,
        "what": inspect.getdoc(plugin) or "",
        "settings": {setting.name: _default(setting) for setting in fields(plugin)},
    }


def _default(setting: Field[Any]) -> Any:
    if setting.default is not MISSING:
        return setting.default
    if setting.default_factory is not MISSING:
        return repr(setting.default_factory())
    return "must be set"


def format_catalogue(entries_by_kind: Mapping[str, list[Entry]]) -> str:
    """The catalogue as text for a terminal."""
    sections: list[str] = []
    for kind, entries in entries_by_kind.items():
        paragraphs = "\n".join(_paragraph(entry) for entry in entries)
        sections.append(f"{kind.upper()}\n\n{paragraphs}")
    return "\n".join(sections)


def _paragraph(entry: Entry) -> str:
    is_detector = "evidence" in entry
    facts = _detector_facts(entry) if is_detector else _rule_facts(entry)
    settings = [f"{name} = {value}" for name, value in entry["settings"].items()]
    facts["settings"] = _listed(settings, "none")
    lines = [f"{entry['name']}  version {entry['version']}, {entry['source']}"]
    for name, text in facts.items():
        first_indent, next_indent = f"    {name:<10}", " " * 14
        lines.append(
            textwrap.fill(text, WIDTH, initial_indent=first_indent, subsequent_indent=next_indent)
        )
    lines.append(textwrap.indent(entry["what"], "    "))
    lines.append("")
    return "\n".join(lines)


def _detector_facts(entry: Entry) -> dict[str, str]:
    columns = [f"{name} ({arrow})" for name, arrow in entry["evidence"].items()]
    return {"input": entry["input"], "evidence": ", ".join(columns)}


def _rule_facts(entry: Entry) -> dict[str, str]:
    actions = ", ".join(entry["actions"])
    if entry["before_fetch"]:
        actions += ", before the fetch too"
    return {"reads": _listed(entry["reads"], "what every sample has"), "actions": actions}


def _listed(items: Iterable[str], if_empty: str) -> str:
    return ", ".join(items) or if_empty
