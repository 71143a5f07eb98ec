"""Which stages a run reuses, and why it does not reuse the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pairsieve.storage import parts
from pipeline.orchestrate.stage_result import StageResult, manifests, plain

MOST_KEYS = 4
LOOKED_FROM, LOOKED = "detect_from", "picture detectors must look at more"


def reuse_table(results: Sequence[StageResult]) -> list[str]:
    """A line a stage."""
    return [
        f"{result.stage.name:<8} {'reused' if result.complete else f'to do: {_reason(result)}'}"
        for result in results
    ]


def _reason(result: StageResult) -> str:
    there = len(parts.part_names(result.folder))
    begun = f"; {there} parts are there already" if there else ""
    before = manifests(result.work, result.stage.name)
    return ", ".join(_differences(result, before[-1]) if before else ["not done before"]) + begun


def _differences(result: StageResult, before: Mapping[str, Any]) -> list[str]:
    """What is not as it was in the newest result of the stage."""
    stage = result.stage
    if before["version"] != stage.version:
        return ["this version of pairsieve computes it in another way"]
    changed = sorted(set(_changed(before["settings"], plain(stage.settings))))
    said = _inputs(before["settings"], plain(stage.settings))
    said += [
        *changed[:MOST_KEYS],
        *([f"{len(changed) - MOST_KEYS} more settings"] if len(changed) > MOST_KEYS else []),
    ]
    names = {
        plugin["name"]
        for plugin in _symmetric(before.get("opinions") or [], plain(stage.opinions) or [])
    }
    said += [
        LOOKED if name == LOOKED_FROM else f"{name} decides in another way before the fetch"
        for name in sorted(names)
    ]
    return said or (
        ["what comes before it is new"]
        if before["upstream"] != stage.upstream
        else ["its result is gone"]
    )


def _inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = ({path for path, _ in settings.get("inputs", ())} for settings in (before, now))
    counted = ((len(new - old), "more inputs"), (len(old - new), "fewer inputs"))
    return [f"{number} {what}" for number, what in counted if number]


def _changed(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """The settings that differ, by their dotted names; plugins by theirs."""
    if before == now or place == "inputs":
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() | now.keys():
            yield from _changed(
                before.get(name), now.get(name), f"{place}.{name}" if place else name
            )
    elif (
        isinstance(before, list)
        and isinstance(now, list)
        and all(isinstance(one, dict) and "name" in one for one in before + now)
    ):
        yield from (str(plugin["name"]) for plugin in _symmetric(before, now))
    else:
        yield place


def _symmetric(before: list[Any], now: list[Any]) -> list[Any]:
    return [one for one in before if one not in now] + [one for one in now if one not in before]
