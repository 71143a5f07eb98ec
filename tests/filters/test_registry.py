from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from typing import ClassVar

import pyarrow as pa
import pytest

from filters.detector import Columns, Needs, Observe
from filters.registry import (
    DETECTORS,
    RULES,
    FilterConfigError,
    build_detectors,
    build_rules,
    identity,
)
from filters.rule import Action, Decision, Readable


@dataclass(frozen=True)
class Loudness:
    """A detector as a stranger would write one."""

    name: ClassVar[str] = "loudness"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {"capitals": pa.int32()}

    def load(self) -> Observe:
        return lambda pair: {"capitals": sum(c.isupper() for c in pair.caption)}


@dataclass(frozen=True)
class Quiet:
    """A rule as a stranger would write one."""

    name: ClassVar[str] = "quiet"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("capitals",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    most: int

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        if evidence["capitals"] > self.most:
            yield Decision(Action.DROP, "loud", score=evidence["capitals"])


HERE = "tests.filters.test_registry"


def test_plugins_by_dotted_path():
    detectors = build_detectors({f"{HERE}:Loudness": {}})
    rules = build_rules({f"{HERE}:Quiet": {"most": 2}}, detectors)
    assert detectors == (Loudness(),)
    assert rules == (Quiet(2),)
    assert identity(rules[0]) == {"name": "quiet", "version": 1, "settings": {"most": 2}}


ERRORS = [
    ({"similarty": {}}, "unknown rule 'similarty'; did you mean 'similarity'?"),
    ({"zzz": {}}, "known: "),
    ({"similarity": {}}, "filters.rules.similarity: thresholds must be set"),
    ({"similarity": {"tresholds": {}}}, "unknown setting 'tresholds'; did you mean 'thresholds'?"),
    ({"similarity": {"thresholds": {"en": "high"}}}, "filters.rules.similarity.thresholds.en: "),
    (
        {"personal_data": {"captions": "burn", "urls": "drop"}},
        "filters.rules.personal_data.captions: ",
    ),
    (
        {"rights": {"profile": "respect"}},
        (
            "rights reads page_rights_signals, which no detector under filters.detectors observes; "
            "add `page_rights: {}`"
        ),
    ),
    ({"no.such.module:Rule": {}}, "cannot be imported"),
    ({f"{HERE}:Nothing": {}}, "cannot be imported"),
]


@pytest.mark.parametrize(("rules", "message"), ERRORS)
def test_errors_name_the_remedy(rules, message):
    with pytest.raises(FilterConfigError) as raised:
        build_rules(rules, ())
    assert message in str(raised.value)


def test_unknown_detector():
    with pytest.raises(FilterConfigError, match="did you mean 'page_rights'"):
        build_detectors({"page_right": {}})


def test_one_column_one_detector():
    with pytest.raises(FilterConfigError, match="capitals would be observed by two detectors"):
        build_detectors({f"{HERE}:Loudness": {}, f"{HERE}:Louder": {}})


@dataclass(frozen=True)
class Louder(Loudness):
    name: ClassVar[str] = "louder"


@pytest.mark.parametrize(("name", "kind"), [*DETECTORS.items(), *RULES.items()])
def test_built_in_plugins_keep_their_contract(name, kind):
    assert kind.name == name, "the table names it as it names itself"
    assert is_dataclass(kind)
    assert kind.__doc__
    assert isinstance(kind.version, int)
    members = (
        "name",
        "version",
        *(
            ("needs", "columns", "load")
            if name in DETECTORS and kind is DETECTORS[name]
            else ("reads", "saves_request", "judge")
        ),
    )
    assert all(hasattr(kind, member) for member in members)
    if not fields(kind):
        with pytest.raises(FrozenInstanceError):
            kind().anything = 1


HEAVY = (
    "aiohttp", "c2pa", "cv2", "matplotlib", "onnxruntime", "phonenumbers", "rapidocr_onnxruntime",
    "scipy", "spacy", "stdnum", "torch",
)  # fmt: skip


def imported(program: str, names: Iterable[str]) -> list[str]:
    """Which of `names` a new process has imported once it has run the program."""
    ask = f"print(*[name for name in {tuple(names)!r} if name in sys.modules])"
    command = [sys.executable, "-c", f"import sys\n{program}\n{ask}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_registry_imports_no_plugin():
    modules = {kind.__module__ for kind in (*DETECTORS.values(), *RULES.values())}
    assert imported("import filters.registry", (*HEAVY, *modules, "pydantic")) == []


def test_plugins_import_no_heavy_library_before_they_load():
    look_up = (
        "from filters.registry import DETECTORS, RULES\n[*DETECTORS.values(), *RULES.values()]"
    )
    assert imported(look_up, HEAVY) == []
