"""Reads a YAML config and the ones that it extends, and merges them into one mapping.

A config with `extends: other.yaml` has all settings of the other one, changed by its own. Mappings
are merged at every depth; any other value replaces the one before. `null` takes a setting away, as
in a JSON Merge Patch (RFC 7396), so that its default holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
EXTENDS = "extends"


class ConfigError(ValueError):
    """A config or an input that cannot be run; the message names the remedy."""


def read_config_file(path: Path, extended_by: Sequence[Path] = ()) -> dict[str, Any]:
    """The settings of a config file. Raises ConfigError.

    `extends` is a path that starts at the file's own folder. `{here}` in a file is that folder.
    `extended_by` are the files that lead here.
    """
    own = _read_yaml(path)
    if EXTENDS not in own:
        return own
    extends = own.pop(EXTENDS)
    if not isinstance(extends, str):
        raise ConfigError(f"{path}: extends is {extends!r}; give the name of one config file")
    chain = [*extended_by, path.resolve()]
    base = (path.parent / extends).resolve()
    if base in chain:
        names = " -> ".join(file.name for file in [*chain, base])
        raise ConfigError(f"{path}: configs extend each other in a circle: {names}")
    settings: dict[str, Any] = merged(read_config_file(base, chain), own)
    return settings


def merged(before: Any, change: Any) -> Any:
    """`before`, changed by `change`: mappings are merged, `null` removes, the rest replaces."""
    if not isinstance(change, dict):
        return change
    result = dict(before) if isinstance(before, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        shipped = ", ".join(sorted(str(config) for config in CONFIGS.glob("*.yaml")))
        raise ConfigError(
            f"cannot read the config {path} ({reason}); shipped ones: {shipped}"
        ) from None
    try:
        # Before YAML is read, so that `{here}` may stand inside any text.
        settings: Any = yaml.safe_load(text.replace("{here}", str(path.resolve().parent)))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{path} holds no settings; see {CONFIGS / 'demo.yaml'} for what a config looks like"
        )
    return settings
