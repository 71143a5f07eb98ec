"""How many medical captions are found, and how many others are flagged, by language.

    python -m benchmarks.medical [--held-out] [--english MEDICAL EVERYDAY]

The captions are the frozen sets of tests/filters/sets: medical.txt, and the files of
medical_languages, whose second captions are held out. `--held-out` shows by name what was wrong
among these too; look at it when nobody tunes any more.
--english reads two files of English captions, one a line, which nobody here wrote.

A caption is judged in the language that extraction finds. "Published" and "tagged" are what the
rule `medical` decides by default on a caption whose picture and page show nothing medical.
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


@lru_cache(1)
def _find_language() -> FindLanguage:
    settings = LanguageSettings(min_bytes=5, max_bytes=2000)
    return find_detector(settings.detector)(settings)


def judged(caption: str) -> MedicalText:
    """What the judge finds, in the language that extraction finds."""
    return make_judge().judge(caption, language_of(caption, _find_language()).code)


def decision(caption: str) -> str:
    """`drop`, `tag` or `publish`: what the rule decides by default."""
    found = judged(caption)
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


def given_lines(medical: Path, everyday: Path) -> Iterator[str]:
    """English captions of others."""
    for name, path, goal in (
        ("medical", medical, ">= 0.94"),
        ("everyday", everyday, "<= 0.0045"),
    ):
        lines = [line for line in path.read_text("utf-8").splitlines() if line]
        share = sum(decision(line) == "drop" for line in lines) / len(lines)
        yield f"goal medical_given_{name} {share:.4f} {goal}"


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
    yield (
        "| language | medical dropped | held out | tagged | of "
        "| everyday dropped | held out | tagged | of |\n" + "|---" * 9 + "|"
    )
    for language in LANGUAGES:
        yield from language_lines(language, arguments.held_out)
    yield from group_lines()
    if arguments.english:
        yield from given_lines(*arguments.english)
    yield from cost_lines()


def main(arguments: Iterable[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without effect; all of it is quick")
    parser.add_argument("--english", nargs=2, type=Path, metavar=("MEDICAL", "EVERYDAY"))
    for line in lines(parser.parse_args(list(arguments) if arguments is not None else None)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
