"""Lets Beam work out once what it works out again for every step and every bundle.

Small jobs spend more than half of their time on two questions. Beam reads the signatures of all
methods of a DoFn whenever a step is made, sent or started. It builds a parser of options whenever
it looks at one. Neither answer changes while a process runs, so tests keep them. What a job
computes stays the same. Tests that start a process have Beam as it is.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import pytest

ArgumentsAndDefaults = tuple[list[str], list[Any]]


def quicken_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep signatures of methods, and options that were parsed, from now on."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import core

    kept_signatures = keeping_signatures(core.get_function_args_defaults)
    monkeypatch.setattr(core, "get_function_args_defaults", kept_signatures)
    monkeypatch.setattr(PipelineOptions, "view_as", keeping_options(PipelineOptions.view_as))


def keeping_signatures(
    read: Callable[[Any], ArgumentsAndDefaults],
) -> Callable[[Any], ArgumentsAndDefaults]:
    """Beam's `get_function_args_defaults`, which reads the signature of a method once."""
    kept: WeakKeyDictionary[Any, ArgumentsAndDefaults] = WeakKeyDictionary()

    def arguments_and_defaults(function: Any) -> ArgumentsAndDefaults:
        # Only a method shares its signature with other objects of its class. It is found by its
        # function: the objects come and go.
        written = getattr(function, "__func__", None)
        if not isinstance(written, types.FunctionType):
            return read(function)
        if written not in kept:
            kept[written] = read(function)
        names, defaults = kept[written]
        return list(names), list(defaults)

    return arguments_and_defaults


def keeping_options(look: Callable[[Any, type], Any]) -> Callable[[Any, type], Any]:
    """Beam's `PipelineOptions.view_as`, which parses the same options once for each class."""
    kept: dict[tuple[type, tuple[str, ...]], Any] = {}

    def view_as(self: Any, cls: type) -> Any:
        # Without options of its own Beam reads those of the process, whatever they are then.
        if self._flags is None:
            return look(self, cls)
        key = (cls, tuple(self._flags))
        if key not in kept:
            kept[key] = copy.deepcopy(look(self, cls)._visible_options)
        # Views of one set of options share their values, and no others: a default may be a list.
        visible = copy.deepcopy(kept[key])
        for name, value in vars(visible).items():
            self._all_options.setdefault(name, value)
        view = object.__new__(cls)
        vars(view).update(
            _flags=self._flags, _visible_options=visible, _all_options=self._all_options
        )
        return view

    return view_as
