"""A step that works on elements of its own, and passes on all others as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam

from transforms.plumbing.working_on import WorkingOn


def kind_of_group(element: Any) -> str:
    """What a group of a shuffle holds, by its key (kind, number).

    Tuples are groups; empty for everything else.
    """
    if not isinstance(element, tuple):
        return ""
    (kind, _), _ = element
    return str(kind)


def on_own(is_own: Callable[[Any], bool], function: Callable[[Any], Any]) -> beam.PTransform:
    """A step that replaces each of its own elements by the result of a function.

    Where the result is None, nothing is passed on. An error names the element.
    """
    return beam.FlatMap(_work_or_pass, is_own, function)


def _work_or_pass(
    element: Any, is_own: Callable[[Any], bool], function: Callable[[Any], Any]
) -> Iterator[Any]:
    if not is_own(element):
        yield element
        return
    with WorkingOn(element):
        result = function(element)
    if result is not None:
        yield result
