"""Says which stages a run reuses, and why it does not reuse the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pairsieve.storage import parts
from pipeline.orchestrate.stage_result import StageResult, plain

MAX_KEYS = 4
DETECT_FROM = "detect_from"
COSTLY = "costly detectors"
LOOK_AT_MORE = "picture detectors must look at more"


def reuse_table(results: Sequence[StageResult]) -> list[str]:
    """One line for each stage."""
    return [f"{result.stage.name:<8} {_state(result)}" for result in results]


def _state(result: StageResult) -> str:
    return "reused" if result.complete else f"to do: {_reason(result)}"


def _reason(result: StageResult) -> str:
    """Why a stage has to run, and how many of its parts are there already."""
    before = result.manifests.of(result.stage.name)
    # Compared with the newest one, which is most likely the one that a user has in mind.
    reasons = _differences(result, before[-1]) if before else ["not done before"]
    reason = ", ".join(reasons)
    finished = len(parts.part_names(result.folder))
    return f"{reason}; {finished} parts are there already" if finished else reason


def _differences(result: StageResult, before: Mapping[str, Any]) -> list[str]:
    """The differences from the newest result of the stage."""
    stage = result.stage
    if before["version"] != stage.version:
        return ["this version of pairsieve computes it in another way"]
    now = plain(stage.settings)
    reasons = _input_changes(before["settings"], now)
    changed = sorted(set(_changed(before["settings"], now)))
    reasons += changed[:MAX_KEYS]
    if len(changed) > MAX_KEYS:
        reasons.append(f"{len(changed) - MAX_KEYS} more settings")
    reasons += _opinion_changes(before.get("opinions") or [], plain(stage.opinions) or [])
    if reasons:
        return reasons
    if before["upstream"] != stage.upstream:
        return ["what comes before it is new"]
    return ["its result is gone"]


def _input_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old = {path for path, _ in before.get("inputs", ())}
    new = {path for path, _ in now.get("inputs", ())}
    reasons = []
    if new - old:
        reasons.append(f"{len(new - old)} more inputs")
    if old - new:
        reasons.append(f"{len(old - new)} fewer inputs")
    return reasons


def _opinion_changes(before: list[Any], now: list[Any]) -> list[str]:
    names = {plugin["name"] for plugin in _in_one_only(before, now)}
    reasons = []
    for name in sorted(names):
        if name in (DETECT_FROM, COSTLY):
            reasons.append(LOOK_AT_MORE)
        else:
            reasons.append(f"{name} decides in another way before the fetch")
    return reasons


def _changed(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """The dotted names of settings that differ, and the names of plugins that differ."""
    if before == now or place == "inputs":
        return  # inputs are counted, not listed
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() | now.keys():
            below = f"{place}.{name}" if place else name
            yield from _changed(before.get(name), now.get(name), below)
    elif _are_plugins(before) and _are_plugins(now):
        yield from (str(plugin["name"]) for plugin in _in_one_only(before, now))
    else:
        yield place


def _are_plugins(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, dict) and "name" in x for x in value)


def _in_one_only(before: list[Any], now: list[Any]) -> list[Any]:
    """Elements that only one of two lists has; they are dicts, which no set takes."""
    gone = [plugin for plugin in before if plugin not in now]
    new = [plugin for plugin in now if plugin not in before]
    return gone + new
