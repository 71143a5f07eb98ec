"""How many medical captions are found, and how many others are flagged, by language.

    python -m benchmarks.medical [--held-out]
    python -m benchmarks.medical --captions FILE --expect medical|everyday [--language CODE]
                                 [--medical-after-all FILE]

The captions are the frozen sets of tests/filters/sets: medical.txt, and the files of
medical_languages, whose second captions are held out. `--held-out` shows by name what was wrong
among these too; look at it when nobody tunes any more.
--captions reads a file of your own, one caption a line, and measures it alone: the captions are all
medical or all everyday. They are judged in --language, or each in the language that extraction
finds. --goal is the share of them that is to be dropped. --show lists what was judged wrongly; leave
it out for a set that you do not tune on. --medical-after-all reads captions of an everyday set that
somebody found to be about medicine after all, one a line: what is flagged beside them is printed as
falsely flagged, and that share meets the goal.

"Published" and "tagged" are what the rule `medical` decides by default on a caption whose picture
and page show nothing medical.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filters.medical.rule import Medical
from filters.medical.terms import make_finder, shipped_phrases, shipped_terms
from filters.medical.text import MedicalText, make_judge
from filters.medical.words import load_words
from pairsieve.web.language import FindLanguage, LanguageSettings, find_detector, language_of

SETS = Path(__file__).resolve().parent.parent / "tests/filters/sets"
LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt")
RULE = Medical(0.95, 0.5, 0.9, 90, "default")
NOTHING = {
    "page_types": (), "page_medical_headlines": (), "page_medical_host": False,
    "medical_picture_score": 0.1,
}  # fmt: skip
SHOWN = 12  # captions by name, of each kind
ROUNDS = 3
MEDICAL, EVERYDAY = "medical", "everyday"
GOALS = {MEDICAL: 0.85, EVERYDAY: 0.0045}
"""What a file holds -> the share that is to be dropped, at least or at most."""
DECISIONS = ("drop", "tag", "publish")


@dataclass(frozen=True)
class Caption:
    """A caption of a frozen set: its group, and whether it is held out."""

    group: str
    text: str
    held_out: bool

    @property
    def is_medical(self) -> bool:
        return not self.group.startswith(("trap", "everyday"))


def read_set(path: Path) -> Iterator[Caption]:
    """The captions of a frozen set; every second one of a group is held out."""
    seen: dict[str, int] = defaultdict(int)
    for line in path.read_text("utf-8").splitlines():
        group, separator, text = line.partition(": ")
        if separator and not line.startswith("#"):
            seen[group] += 1
            yield Caption(group, text, seen[group] % 2 == 0)


@dataclass(frozen=True)
class Given:
    """A file of captions of others, all of them medical or all everyday (`expect`).

    `language`: the code of their language; None for the one that extraction finds in each.
    `goal`: the share of them that is to be dropped, at least or at most.
    `after_all`: those of an everyday file that are about medicine after all.
    """

    path: Path
    expect: str
    language: str | None
    goal: float
    after_all: frozenset[str] = frozenset()


@lru_cache(1)
def _find_language() -> FindLanguage:
    settings = LanguageSettings(min_bytes=5, max_bytes=2000)
    return find_detector(settings.detector)(settings)


def judged(caption: str, language: str | None = None) -> MedicalText:
    """What the judge finds in a language; by default in the one that extraction finds."""
    if language is None:
        language = language_of(caption, _find_language()).code
    return make_judge().judge(caption, language)


def decision(caption: str, language: str | None = None) -> str:
    """`drop`, `tag` or `publish`: what the rule decides by default."""
    found = judged(caption, language)
    evidence = NOTHING | {
        "caption": caption,
        "medical_terms": found.terms,
        "medical_terms_unsure": found.unsure,
        "medical_words": found.score,
    }
    actions = [str(decision.action) for decision in RULE.judge(evidence)]
    return actions[0] if actions else "publish"


def share_dropped(captions: Sequence[Caption]) -> float:
    """Share of some captions that the rule drops."""
    return sum(decision(caption.text) == "drop" for caption in captions) / len(captions)


def language_lines(language: str, show_held_out: bool) -> Iterator[str]:
    """One row of the table, the captions that were judged wrongly, and the goals."""
    captions = list(read_set(SETS / f"medical_languages/{language}.txt"))
    medical = [caption for caption in captions if caption.is_medical]
    everyday = [caption for caption in captions if not caption.is_medical]
    cells = [language]
    for listed in (medical, everyday):
        held_out = [caption for caption in listed if caption.held_out]
        tagged = sum(decision(caption.text) == "tag" for caption in listed)
        cells += [
            f"{share_dropped(listed):.3f}", f"{share_dropped(held_out):.3f}",
            f"{tagged / len(listed):.3f}", f"{len(listed)}",
        ]  # fmt: skip
    yield f"| {' | '.join(cells)} |"
    missed = [c for c in medical if decision(c.text) != "drop"]
    false = [c for c in everyday if decision(c.text) == "drop"]
    for name, wrong in (("missed", missed), ("false", false)):
        shown = [_described(c.text) for c in wrong if show_held_out or not c.held_out][:SHOWN]
        if shown:
            yield f"{language} {name}: {'; '.join(shown)}"
    yield f"goal medical_found_{language} {share_dropped(medical):.3f} >= 0.85"
    yield f"goal medical_everyday_{language} {share_dropped(everyday):.3f} <= 0.10"


def _described(caption: str) -> str:
    """A caption, with what the judge finds in it."""
    found = judged(caption)
    code = language_of(caption, _find_language()).code
    return f"{caption!r} ({code or '?'}, {found.terms or found.unsure}, {found.score:.2f})"


def group_lines() -> Iterator[str]:
    """The groups of English captions, and those of the older frozen set."""
    yield "| group | dropped | of |\n|---|---|---|"
    for path in (SETS / "medical_languages/en.txt", SETS / "medical.txt"):
        groups: dict[str, list[Caption]] = defaultdict(list)
        for caption in read_set(path):
            groups[caption.group].append(caption)
        for group, captions in groups.items():
            yield f"| {path.stem} {group} | {share_dropped(captions):.3f} | {len(captions)} |"


def given_lines(given: Given, show: bool) -> Iterator[str]:
    """Captions of others: what is decided about them, and the goal."""
    captions = _captions_of(given.path)
    decisions = [decision(caption, given.language) for caption in captions]
    language = given.language or "found by extraction"
    yield f"{given.path.name}: {len(captions)} captions, language {language}"
    yield ", ".join(f"{decided} {decisions.count(decided)}" for decided in DECISIONS)
    if show:
        for caption, decided in zip(captions, decisions, strict=True):
            is_as_expected = (decided == "drop") == (given.expect == MEDICAL)
            if not is_as_expected and caption not in given.after_all:
                found = judged(caption, given.language)
                yield f"{caption!r} ({found.terms or found.unsure}, {found.score:.2f})"
    dropped = [caption for caption, name in zip(captions, decisions, strict=True) if name == "drop"]
    if given.after_all:
        dropped = [caption for caption in dropped if caption not in given.after_all]
        yield f"falsely flagged {len(dropped)} of {len(captions)}"
    share = len(dropped) / len(captions)
    comparison = ">=" if given.expect == MEDICAL else "<="
    yield f"goal medical_given_{given.expect} {share:.4f} {comparison} {given.goal}"


def _captions_of(path: Path) -> list[str]:
    captions = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    if not captions:
        raise SystemExit(f"{path} holds no caption")
    return captions


def cost_lines() -> Iterator[str]:
    """Time of a caption, and the memory of all lists and tables."""
    texts = [c.text for name in LANGUAGES for c in read_set(SETS / f"medical_languages/{name}.txt")]
    codes = [language_of(text, _find_language()).code for text in texts]
    for cached in (make_judge, make_finder, load_words, shipped_terms, shipped_phrases):
        cached.cache_clear()
    tracemalloc.start()
    judge = make_judge().judge
    for text, code in zip(texts, codes, strict=True):
        judge(text, code)
    mebibytes = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for text, code in zip(texts, codes, strict=True):
            judge(text, code)
        times.append((time.process_time() - started) / len(texts) * 1e6)
    yield f"{min(times):.1f} us of processor time a caption, {mebibytes:.1f} MiB of Python objects"


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """Everything that is printed."""
    if arguments.captions:
        goal = GOALS[arguments.expect] if arguments.goal is None else arguments.goal
        listed = arguments.medical_after_all
        after_all = frozenset(_captions_of(listed)) if listed else frozenset()
        given = Given(arguments.captions, arguments.expect, arguments.language, goal, after_all)
        yield from given_lines(given, arguments.show)
        return
    yield (
        "| language | medical dropped | held out | tagged | of "
        "| everyday dropped | held out | tagged | of |\n" + "|---" * 9 + "|"
    )
    for language in LANGUAGES:
        yield from language_lines(language, arguments.held_out)
    yield from group_lines()
    yield from cost_lines()


def main(arguments: Iterable[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without effect; all of it is quick")
    parser.add_argument("--captions", type=Path, metavar="FILE", help="measure this file alone")
    parser.add_argument("--expect", choices=(MEDICAL, EVERYDAY), help="what all its captions are")
    parser.add_argument("--language", metavar="CODE", help="the language of all its captions")
    parser.add_argument("--goal", type=float, metavar="SHARE", help=f"instead of {GOALS}")
    parser.add_argument(
        "--medical-after-all", type=Path, metavar="FILE",
        help="captions of an everyday set that are about medicine",
    )  # fmt: skip
    parser.add_argument("--show", action="store_true", help="list its captions judged wrongly")
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    if bool(options.captions) != bool(options.expect):
        parser.error("--captions and --expect go together")
    if options.medical_after_all and options.expect != EVERYDAY:
        parser.error("--medical-after-all goes with --expect everyday")
    if options.language is not None and options.language not in LANGUAGES:
        parser.error(f"--language: one of {', '.join(LANGUAGES)}")
    for line in lines(options):
        print(line, flush=True)


if __name__ == "__main__":
    main()
