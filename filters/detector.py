"""The contract of a detector: it adds evidence about a subject and never drops anything.

A detector is a frozen dataclass. Its fields are its settings, so the object is small enough to be
sent to every worker process. Each worker calls `load` once. `load` reads files and models, and
returns the function that observes one subject:

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
"""Name -> Arrow type of each piece of evidence that a detector adds."""

Observe: TypeAlias = Callable[[Any], Evidence]
"""The function that `Detector.load` returns: it takes one subject and returns its evidence."""


class MissingModel(ValueError):
    """A model file, or the package that runs it, is not there.

    `Detector.load` and `Rule.prepare` raise it, so that a run stops before it starts. The message
    names the remedy.
    """


class MissingExtra(MissingModel):
    """The package of an extra is not installed. `extra` names it."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"the module `{module}` is not installed: pip install 'pairsieve[{extra}]'"
        )
        self.extra = extra


def required(module: str, extra: str) -> Any:
    """Import a module that an extra of this package installs.

    Call it in `load`, never at the top of a module: a run that does not use the detector must not
    need the extra. Raises MissingExtra.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(module, extra) from None


class Needs(IntEnum):
    """The earliest data that a detector needs; it decides in which stage the detector runs.

    The comment at each member names the stage and the class of the subject that the detector's
    function is called with. Where the class has no module, it is one of `filters.subjects`.
    """

    PAGE = 1  # extract: pairsieve.web.html.ParsedPage
    PAIR = 2  # publish (and fetch, for a rule with `saves_request`): pairsieve.records.pair.Pair
    RESPONSE = 3  # fetch: Response
    CONTENT = 4  # fetch: Content
    IMAGE = 5  # score: Picture
    EMBEDDING = 6  # score: Embedding
    EVIDENCE = 7  # publish: filters.rule.Readable, with the evidence of all other detectors
    SAMPLES = 8  # compare: ComparedPart, many samples; each value is a list with an entry for each


def is_costly(detector: Detector) -> bool:
    """Whether a detector looks only at pictures of pairs that could still be published."""
    return bool(getattr(detector, "costly", False))


@runtime_checkable
class Detector(Protocol):
    """The members that every detector has.

    - `name`: the name in a config; unique among all detectors.
    - `version`: raise it when the same input gives other evidence. Results of older versions are
      then computed again.
    - `needs`: see `Needs`.
    - `columns`: every piece of evidence with its Arrow type. Two detectors of a run must not share
      a column.

    A detector of pictures that takes much longer than others (0.1 s or more) may set `costly` to
    True. It then looks only at pictures of pairs that could still be published: their similarity is
    high enough, and no rule drops them on the evidence of the other detectors. All columns of such
    a detector are None for pictures that it did not look at.

    A detector that reads evidence of other detectors may name its columns in `reads`. A run does
    not start when no configured detector adds one of them.

    A picture can stand on several pages. List columns of PAGE detectors then hold the union over
    all of these pages; other columns hold the value of the first page.

    A detector for CLIP embeddings may have a setting `heads`, which maps model identities to files
    (see filters/heads/). A run does not start when a model that it uses has no head. The content of
    these files is part of the detector's identity, and their paths are not.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    needs: ClassVar[Needs]
    columns: ClassVar[Columns]

    def load(self) -> Observe:
        """Read vocabularies, load models, and return the function that observes one subject.

        Each worker calls it once. The function returns a value, or None, for every column. When it
        raises, its row goes to quarantine. Raises MissingModel when a file or package is missing.
        """
        ...
