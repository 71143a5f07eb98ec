"""Measures what each detector finds, what it flags wrongly, and what it costs.

    python benchmarks/detectors.py [--quick] [--wordnet DIR] [--captions FILE]

Captions come from the frozen sets of tests/filters/sets, pictures from scikit-image and pydicom.
The medical lists were written by somebody who had read the frozen set. So its recall is that of a
set that was known.

--wordnet reads WordNet's `data.*` files (Debian: wordnet-base, /usr/share/wordnet), which nobody
here wrote. The definitions of diseases, symptoms, injuries and operations should be found. The
example sentences of everything else should not, although some of those are medical as well.
--captions reads everyday captions, one a line, and counts those that are flagged. Prints some of
what was missed and flagged.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from benchmarks.detector_pictures import picture_stage, pictures, score_stage
from benchmarks.machine import cpu
from benchmarks.wordnet import wordnet_sets
from filters.detector import Needs
from filters.medical.caption import MedicalCaption
from filters.privacy.detector import PersonalDataInPair
from filters.privacy.spans import FINDERS, personal_spans
from filters.registry import needing
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image as FetchedImage
from pairsieve.records.sample import Sample, Score
from pairsieve.web.language import FindLanguage, LanguageSettings, find_detector, language_of
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.plan import make_plan
from tests.support.marked_captions import found_and_missed, marked_captions
from transforms.redact import RedactSettings, redact_sample
from transforms.rules import KeptSample, RuleSettings, make_rule_book

REPOSITORY = Path(__file__).resolve().parent.parent
MEDICAL_SET = REPOSITORY / "tests/filters/sets/medical.txt"
WORDS_FROM = 0.9  # weight of words from which a caption counts as flagged
MEDICAL_LINE = re.compile(r"^(\w+): (.+)$")
MAX_SHOWN = 6  # examples of what is wrong


def pair(caption: str) -> Pair:
    """Make a pair with a caption, in the language that extract would find."""
    url = "https://pictures.example/a.jpg"
    return Pair(
        key=key_of(url, caption),
        url=url,
        caption=caption,
        subset="en",
        language=language_of(caption, _find_language()).code,
        page_url="https://pages.example/",
        warc_file="",
        record_offset=0,
        payload_digest="",
        crawl_time="",
        position=0,
        evidence={"page_rights_signals": ()},
    )


@lru_cache(1)
def _find_language() -> FindLanguage:
    settings = LanguageSettings(min_bytes=5, max_bytes=2000)
    return find_detector(settings.detector)(settings)


def cost_us(function: Callable[[Pair], object], captions: Sequence[str], rounds: int) -> float:
    """Return the microseconds per caption, the median of some rounds."""
    pairs = [pair(caption) for caption in captions]
    times_us = []
    for _ in range(rounds):
        started = time.perf_counter()
        for caption_pair in pairs:
            function(caption_pair)
        times_us.append((time.perf_counter() - started) / len(pairs) * 1e6)
    return statistics.median(times_us)


def personal_data(rounds: int) -> Iterator[str]:
    """Measure each kind of personal data on the frozen set."""
    marked = marked_captions("personal_data.txt")
    found = Counter[str]()
    missed = Counter[str]()
    false = Counter[str]()
    wrong: list[str] = []
    for caption, marks in marked:
        found_kinds, missed_kinds, false_kinds = found_and_missed(personal_spans(caption), marks)
        found.update(found_kinds)
        missed.update(missed_kinds)
        false.update(false_kinds)
        if missed_kinds or false_kinds:
            wrong.append(caption)
    yield "| personal data | recall | precision | marked |\n|---|---|---|---|"
    for kind in FINDERS:
        recall = _share(found[kind], missed[kind])
        precision = _share(found[kind], false[kind])
        yield f"| {kind} | {recall} | {precision} | {found[kind] + missed[kind]} |"
    yield f"missed or wrong: {wrong[:MAX_SHOWN]}"
    observe = PersonalDataInPair().load()
    hard_us = cost_us(observe, [caption for caption, _ in marked], rounds)
    everyday_us = cost_us(observe, everyday_captions(), rounds)
    yield (
        f"{hard_us:.1f} us a caption of this set, which are all hard; {everyday_us:.1f} us of the "
        "everyday and medical ones"
    )
    worst_recall = min(found[kind] / (found[kind] + missed[kind]) for kind in FINDERS)
    worst_precision = min(found[kind] / (found[kind] + false[kind]) for kind in FINDERS)
    yield f"goal pii_recall {worst_recall:.3f} >= 0.95"
    yield f"goal pii_precision {worst_precision:.3f} >= 0.95"
    yield f"goal pii_us_a_caption {everyday_us:.1f} <= 25"


def _share(good: int, bad: int) -> str:
    return f"{good / (good + bad):.3f}" if good + bad else "-"


def medical_set() -> Mapping[str, list[str]]:
    """Return the captions of the frozen set by group."""
    groups: dict[str, list[str]] = defaultdict(list)
    for line in MEDICAL_SET.read_text("utf-8").splitlines():
        match = MEDICAL_LINE.match(line)
        if match:
            groups[match[1]].append(match[2])
    return groups


def everyday_captions() -> list[str]:
    """Return the captions of the medical set, most of which hold no personal data."""
    captions = []
    for group in medical_set().values():
        captions += group
    return captions


def medical_text(rounds: int, wordnet: str | None, captions: str | None) -> Iterator[str]:
    """Measure medical captions on the frozen set, and on WordNet and a file if they are given."""
    observe = MedicalCaption().load()

    def is_flagged(caption: str) -> bool:
        evidence = observe(pair(caption))
        return (
            bool(evidence["medical_terms"]) or float(str(evidence["medical_words"])) >= WORDS_FROM
        )

    groups = dict(medical_set())
    if wordnet:
        groups |= wordnet_sets(Path(wordnet))
    if captions:
        lines = Path(captions).read_text("utf-8").splitlines()
        groups["everyday_given"] = [line for line in lines if line]
    flagged = {}
    for name, group in groups.items():
        flagged[name] = [caption for caption in group if is_flagged(caption)]

    def share_of(name: str) -> float:
        return len(flagged[name]) / len(groups[name])

    yield "| captions | flagged | of | examples of what is wrong |\n|---|---|---|---|"
    for name, group in groups.items():
        wrong = _wrongly_judged(name, group, flagged[name])
        examples = "; ".join(wrong[:MAX_SHOWN])
        yield f"| {name} | {share_of(name):.4f} | {len(group)} | {examples} |"
    yield f"{cost_us(observe, everyday_captions(), rounds):.1f} us a caption"
    for name, target in (("radiology", 0.96), ("biomedical", 0.75)):
        yield f"goal medical_{name} {share_of(name):.3f} >= {target}"
    traps = [name for name in groups if name.startswith("trap")]
    flagged_traps = sum(len(flagged[name]) for name in traps)
    all_traps = sum(len(groups[name]) for name in traps)
    everyday = "everyday_given" if captions else "everyday"
    yield f"goal medical_traps {flagged_traps / all_traps:.3f} <= {2 / 25}"
    yield f"goal medical_everyday {share_of(everyday):.4f} <= 0.004"


def _wrongly_judged(name: str, group: Sequence[str], flagged: list[str]) -> list[str]:
    """Return the captions of a group that were flagged but should not be, or the reverse."""
    if name.startswith(("trap", "everyday")):
        return flagged
    known = set(flagged)
    return [caption for caption in group if caption not in known]


def row_stage(number: int) -> Iterator[str]:
    """Measure everything that needs no pixels, in one process.

    That is pair detectors, every rule of configs/demo.yaml, the row, and the ledger.
    """
    plan = make_plan(load_config(CONFIGS / "demo.yaml"))
    detectors = needing(plan.detectors, Needs.PAIR)
    rule_book = make_rule_book(RuleSettings(plan.rules, detectors, b"s" * 32, 1))
    redact = RedactSettings(1)
    captions = everyday_captions()
    # A number makes each caption a new one.
    samples = [_sample(f"{captions[i % len(captions)]}, view {i}") for i in range(number)]
    started = time.perf_counter()
    outcomes = 0
    for sample in samples:
        for result in rule_book.apply(sample):
            outcomes += 1
            if isinstance(result, KeptSample):
                outcomes += len(list(redact_sample(result, redact)))
    rate = number / (time.perf_counter() - started)
    yield f"{number} samples judged, {outcomes} outcomes: {rate:,.0f} rows/s in one process"
    yield f"goal rows_per_s {rate:.0f} >= 2000"


def _sample(caption: str) -> Sample:
    """Make a sample with evidence that no rule drops."""
    sample_pair = pair(caption)
    evidence = {
        "page_types": (),
        "page_medical_terms": (),
        "page_medical_headlines": (),
        "page_medical_host": False,
        "response_rights_signals": (),
        "picture_rights_signals": (),
        "dicom": False,
        "medical_picture_score": 0.1,
        "radiograph_like": False,
        "halves_distance": 130,
    }
    image = FetchedImage(sample_pair.key, "ok", evidence=evidence, size_bytes=20_000)
    score = Score(
        sample_pair.key,
        "ok",
        width=640,
        height=480,
        format="JPEG",
        similarity=0.9,
        model="m",
        precision="fp32",
    )
    return Sample(sample_pair, image, score)


def main() -> None:
    """Measure, and print tables and goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under a minute")
    parser.add_argument("--wordnet", metavar="DIR", help="WordNet's data files")
    parser.add_argument("--captions", metavar="FILE", help="everyday captions, one a line")
    options = parser.parse_args()
    rounds, number = (1, 40) if options.quick else (5, 400)
    # Libraries of detectors warn of their own use of others.
    warnings.simplefilter("ignore")
    print(f"{cpu()}, {os.cpu_count()} cores; medians of {rounds}")
    for lines in (
        personal_data(rounds),
        medical_text(rounds, options.wordnet, options.captions),
        pictures(rounds),
        picture_stage(number),
        score_stage(number),
        row_stage(number * 25),
    ):
        for line in lines:
            print(line)


if __name__ == "__main__":
    main()
