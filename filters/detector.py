"""The contract of a detector.

A detector adds evidence and drops nothing. It is a frozen dataclass of its settings, so that it
travels to workers as a few bytes; `load` runs once on each worker and returns the function that
observes:

    @dataclass(frozen=True)
    class CaptionLength:
        name: ClassVar[str] = "caption_length"
        version: ClassVar[int] = 1
        needs: ClassVar[Needs] = Needs.PAIR
        columns: ClassVar[Columns] = {"caption_chars": pa.int32()}

        def load(self) -> Observe:
            return lambda pair: {"caption_chars": len(pair.caption)}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from importlib import import_module
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import pyarrow as pa

from pairsieve.records.pair import Evidence

Columns: TypeAlias = Mapping[str, pa.DataType]
Observe: TypeAlias = Callable[[Any], Evidence]


class MissingModel(ValueError):
    """A model, or the package that runs it, is not there: raised by `load`, so that a run stops
    before it starts.
    """


def required(module: str, extra: str) -> Any:
    """A module that an extra of this package brings. Raises MissingModel naming the extra."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingModel(
            f"the module `{module}` is not installed: pip install 'pairsieve[{extra}]'"
        ) from None


class Needs(IntEnum):
    """The earliest thing that a detector needs; the flow places it in the stage that has it.

    Its function is called with: PAGE `pairsieve.web.html.ParsedPage`; PAIR
    `pairsieve.records.pair.Pair`; of `filters.subjects`: RESPONSE `Response`, CONTENT `Content`,
    IMAGE `Picture`, EMBEDDING `Embedding`; EVIDENCE what rules read: every record column and what
    all other detectors found.
    """

    PAGE = 1
    PAIR = 2
    RESPONSE = 3
    CONTENT = 4
    IMAGE = 5
    EMBEDDING = 6
    EVIDENCE = 7


@runtime_checkable
class Detector(Protocol):
    """What the flow asks of a detector.

    `columns` names every piece of evidence with its Arrow type. Evidence of PAGE detectors that is
    a list is united over all pages that show the same picture; other page evidence is that of the
    first page.

    A setting called `heads` maps identities of models to files (filters/heads/): a run with a model
    that has none does not start, and what is in the files counts, not where they lie.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    needs: ClassVar[Needs]
    columns: ClassVar[Columns]

    def load(self) -> Observe:
        """Make ready to observe (read vocabularies, load a model); called once a worker, never at
        construction.
        """
        ...
