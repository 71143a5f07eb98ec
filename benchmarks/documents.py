"""Measures what the rule `documents` finds among rendered documents and everyday pictures.

    python -m benchmarks.documents [--quick] [--documents N] [--everyday N] [--photographs DIR]

The set is code and seeds (benchmarks/document_pictures.py, benchmarks/everyday_pictures.py). The
first 216 documents and 400 everyday pictures were looked at while the words and thresholds were
written; the table has a line for the others. --photographs counts false drops among the JPEG files
of a folder. Rules and detector have the settings of configs/laion-base.yaml.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.document_pictures import document
from benchmarks.everyday_pictures import everyday
from benchmarks.machine import cpu
from filters.detector import Observe
from filters.documents.detector import TextInPicture
from filters.documents.gate import text_area
from filters.documents.rule import Documents, Parrot
from filters.rule import Action
from filters.subjects import Picture
from pairsieve.images.prepare import fit_within
from pairsieve.records.pair import evidence_of_caption
from transforms.score.scorer import PICTURE_SIDE

LOOKED_AT_DOCUMENTS, LOOKED_AT_EVERYDAY = 216, 400  # while words and thresholds were written
MAX_SHOWN = 12  # names of what is wrong
GATE_ROUNDS = 3
WORDS_FROM, WORDS_WITH_OTHER, CAPTION_FROM = 3, 2, 0.8  # as in configs/laion-base.yaml
Task = tuple[str, int | str]
"""What to make, and its number or file: ("document", 3)."""


@dataclass(frozen=True)
class Judged:
    """The result for one picture. Milliseconds are of processor time."""

    group: str
    kind: str
    name: str
    was_looked_at: bool
    dropped: bool
    parrot: bool
    watermark: bool
    was_read: bool
    gate_ms: float
    ocr_ms: float


@dataclass(frozen=True)
class Made:
    """A picture of the set before it is judged."""

    kind: str
    name: str
    image: Image.Image
    caption: str
    was_looked_at: bool


def _made(task: Task) -> Made:
    group, number = task
    if group == "document":
        drawn = document(int(number))
        return Made(drawn.kind, drawn.name, drawn.image, "", int(number) < LOOKED_AT_DOCUMENTS)
    if group == "everyday":
        shown = everyday(int(number))
        was_looked_at = int(number) < LOOKED_AT_EVERYDAY
        return Made(shown.kind, shown.name, shown.image, shown.text, was_looked_at)
    with Image.open(str(number)) as image:
        return Made("photograph", Path(str(number)).name, image.convert("RGB"), "", False)


@lru_cache(1)
def _detector() -> tuple[TextInPicture, Observe, Any]:
    import cv2

    cv2.setNumThreads(1)
    detector = TextInPicture()
    return detector, detector.load(), cv2


def judged(task: Task) -> Judged:
    """Make a picture, look at it, and judge it."""
    detector, observe, opencv = _detector()
    made = _made(task)
    picture = Picture(fit_within(made.image, PICTURE_SIDE))
    pixels = np.asarray(picture.image)
    times = []
    for _ in range(GATE_ROUNDS):
        started = time.process_time()
        area = text_area(pixels, opencv)
        times.append((time.process_time() - started) * 1000)
    started = time.process_time()
    evidence = evidence_of_caption(observe(picture), made.caption)
    all_ms = (time.process_time() - started) * 1000
    gate_ms = statistics.median(times)
    decisions = list(Documents("default", WORDS_FROM, WORDS_WITH_OTHER).judge(evidence))
    return Judged(
        group=task[0],
        kind=made.kind,
        name=made.name,
        was_looked_at=made.was_looked_at,
        dropped=any(decision.action is Action.DROP for decision in decisions),
        parrot=bool(list(Parrot(CAPTION_FROM).judge(evidence))) and bool(made.caption),
        watermark=bool(evidence["watermark_words"]),
        was_read=area.share >= detector.read_from,
        gate_ms=gate_ms,
        ocr_ms=max(0.0, all_ms - gate_ms),
    )


def judge_all(tasks: Sequence[Task], processes: int) -> list[Judged]:
    """Judge pictures in processes of one thread each, in order."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as executor:
        return list(executor.map(judged, tasks, chunksize=4))


def _table(results: Sequence[Judged]) -> Iterator[str]:
    """One line for each kind of picture."""
    kinds: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for result in results:
        kinds[result.group, result.kind].append(result)
    yield "| pictures | number | dropped | tagged parrot | watermark | read | ms of reading |"
    yield "|---|---|---|---|---|---|---|"
    for (_, kind), group in kinds.items():
        yield (
            f"| {kind} | {len(group)} | {_share(group, 'dropped'):.3f} | "
            f"{_share(group, 'parrot'):.3f} | {_share(group, 'watermark'):.3f} | "
            f"{_share(group, 'was_read'):.3f} | {_ocr_ms(group):.0f} |"
        )


def _share(results: Sequence[Judged], what: str) -> float:
    return sum(getattr(result, what) for result in results) / len(results) if results else 0.0


def _ocr_ms(results: Sequence[Judged]) -> float:
    """Median milliseconds of those that were read."""
    times = [result.ocr_ms for result in results if result.was_read]
    return statistics.median(times) if times else 0.0


def report(results: Sequence[Judged]) -> Iterator[str]:
    """The table, what is wrong, and the goals."""
    yield from _table(results)
    documents = [result for result in results if result.group == "document"]
    others = [result for result in results if result.group != "document"]
    unseen = [result for result in results if not result.was_looked_at]
    for name, group in (("all", results), ("not looked at while it was written", unseen)):
        found = [result for result in group if result.group == "document"]
        false = [result for result in group if result.group != "document"]
        yield (
            f"{name}: {_share(found, 'dropped'):.4f} of {len(found)} documents found, "
            f"{_share(false, 'dropped'):.4f} of {len(false)} everyday pictures dropped"
        )
    missed = [result.name for result in documents if not result.dropped]
    false_names = [result.name for result in others if result.dropped]
    yield f"missed: {', '.join(missed[:MAX_SHOWN]) or 'none'}"
    yield f"false: {', '.join(false_names[:MAX_SHOWN]) or 'none'}"
    yield f"goal documents_recall {_share(documents, 'dropped'):.4f} >= 0.9"
    yield f"goal documents_false {_share(others, 'dropped'):.4f} <= 0.005"
    yield f"goal gate_ms {statistics.median(result.gate_ms for result in results):.2f} <= 5"
    yield f"goal ocr_ms {_ocr_ms(results):.0f} <= 1000"


def main() -> None:
    """Judge the set, and print a table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="36 and 160 pictures: under a minute")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--everyday", type=int, default=5000)
    parser.add_argument("--photographs", metavar="DIR", help="a folder of JPEG files")
    options = parser.parse_args()
    if options.quick:
        options.documents, options.everyday = 36, 160
    tasks: list[Task] = [("document", number) for number in range(options.documents)]
    tasks += [("everyday", number) for number in range(options.everyday)]
    if options.photographs:
        paths = sorted(Path(options.photographs).rglob("*.jp*g"))
        tasks += [("photograph", str(path)) for path in paths]
    processes = os.cpu_count() or 1
    print(f"{cpu()}, {processes} processes of one thread")
    for line in report(judge_all(tasks, processes)):
        print(line)


if __name__ == "__main__":
    main()
