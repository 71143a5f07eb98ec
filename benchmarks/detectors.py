"""What each detector finds, what it flags wrongly, and what it costs.

    python benchmarks/detectors.py [--quick] [--wordnet DIR] [--captions FILE]

Captions come from the frozen sets of tests/filters/sets, pictures from scikit-image and pydicom.
The medical lists were written by somebody who had read the frozen set, so that its recall is that
of a set one has worked with. --wordnet reads WordNet's `data.*` files (Debian: wordnet-base,
/usr/share/wordnet), which nobody here wrote: the definitions of diseases, symptoms, injuries and
operations should be found, the example sentences of everything else should not (some of those are
medical as well).
--captions reads everyday captions, one a line, and counts those that are flagged. Names of what was missed and flagged are printed.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.score import cpu
from filters.detector import Detector, Needs
from filters.medical.caption import MedicalCaption
from filters.medical.looks import Halves, Radiograph
from filters.observe import load_all
from filters.pictures.faces import Faces
from filters.pictures.nsfw_picture import NsfwPicture
from filters.pictures.picture_hash import PictureHash
from filters.privacy.detector import PersonalDataInPair
from filters.privacy.spans import FINDERS, personal_spans
from filters.registry import needing
from filters.subjects import Picture
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image as FetchedImage
from pairsieve.records.sample import Sample, Score
from pairsieve.web.language import FindLanguage, LanguageSettings, find_detector, language_of
from pipeline.config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.plan import make_plan
from tests.support.marked_captions import found_and_missed, marked_captions
from transforms.redact import RedactSettings, redact_sample
from transforms.rules import KeptSample, RuleSettings, make_rule_book

REPOSITORY = Path(__file__).resolve().parent.parent
WORDS_FROM = 0.9
SIDES = (224, 320, 480, 640)  # pixels of the longer side
WITH_FACE = ("astronaut", "camera")
WITHOUT = (
    "cat",
    "coffee",
    "rocket",
    "retina",
    "logo",
    "brick",
    "grass",
    "gravel",
    "moon",
    "page",
    "text",
    "coins",
)
SCANS, NO_SCANS = ("CT_small.dcm", "MR_small.dcm"), ("astronaut", *WITHOUT)
MEDICAL_LINE = re.compile(r"^(\w+): (.+)$")
QUOTED = re.compile(r'"([^"]{15,90})"')
MEDICAL_ROOTS = {  # a noun, and what its definition holds
    "disease": "an impairment of health",
    "surgery": "branch",
    "medical procedure": "",
    "symptom": "(medicine)",
    "injury": "physical damage",
}
SHOWN = 6


def pair(caption: str) -> Pair:
    """A pair with this caption, in the language that extraction would tell."""
    url = "https://pictures.example/a.jpg"
    return Pair(
        key_of(url, caption),
        url,
        caption,
        "en",
        language_of(caption, _find_language()).code,
        "https://pages.example/",
        "",
        0,
        "",
        "",
        0,
        {"page_rights_signals": ()},
    )


@lru_cache(1)
def _find_language() -> FindLanguage:
    settings = LanguageSettings(min_bytes=5, max_bytes=2000)
    return find_detector(settings.detector)(settings)


def cost_us(function: Callable[[Pair], object], captions: Sequence[str], rounds: int) -> float:
    """Microseconds a caption, the median of some rounds."""
    pairs = [pair(caption) for caption in captions]
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        for one in pairs:
            function(one)
        times.append((time.perf_counter() - started) / len(pairs) * 1e6)
    return statistics.median(times)


def personal_data(rounds: int) -> Iterator[str]:
    """Each kind on the frozen set."""
    marked = marked_captions("personal_data.txt")
    found, missed, false = Counter[str](), Counter[str](), Counter[str]()
    wrong: list[str] = []
    for caption, marks in marked:
        outcome = found_and_missed(personal_spans(caption), marks)
        for total, kinds in zip((found, missed, false), outcome, strict=True):
            total.update(kinds)
        wrong += [caption] if outcome[1] or outcome[2] else []
    yield "| personal data | recall | precision | marked |\n|---|---|---|---|"
    for kind in FINDERS:
        yield (
            f"| {kind} | {_share(found[kind], missed[kind])} | {_share(found[kind], false[kind])} "
            f"| {found[kind] + missed[kind]} |"
        )
    yield f"missed or wrong: {wrong[:SHOWN]}"
    us = cost_us(PersonalDataInPair().load(), [caption for caption, _ in marked], rounds)
    everyday = cost_us(PersonalDataInPair().load(), everyday_captions(), rounds)
    yield (
        f"{us:.1f} us a caption of this set, which are all hard; {everyday:.1f} us of the "
        "everyday and medical ones"
    )
    yield f"goal pii_recall {min(found[k] / (found[k] + missed[k]) for k in FINDERS):.3f} >= 0.95"
    yield f"goal pii_precision {min(found[k] / (found[k] + false[k]) for k in FINDERS):.3f} >= 0.95"
    yield f"goal pii_us_a_caption {everyday:.1f} <= 25"


def _share(good: int, bad: int) -> str:
    return f"{good / (good + bad):.3f}" if good + bad else "-"


def medical_set() -> Mapping[str, list[str]]:
    """The frozen captions by group."""
    groups: dict[str, list[str]] = defaultdict(list)
    for line in (REPOSITORY / "tests/filters/sets/medical.txt").read_text("utf-8").splitlines():
        if match := MEDICAL_LINE.match(line):
            groups[match[1]].append(match[2])
    return groups


def everyday_captions() -> list[str]:
    """Captions as they come: those of the medical set, most of which hold no personal data."""
    return [caption for captions in medical_set().values() for caption in captions]


def medical_text(rounds: int, wordnet: str | None, captions: str | None) -> Iterator[str]:
    """The frozen set, and what is given besides."""
    observe = MedicalCaption().load()

    def is_flagged(caption: str) -> bool:
        found = observe(pair(caption))
        return bool(found["medical_terms"]) or float(str(found["medical_words"])) >= WORDS_FROM

    groups = dict(medical_set())
    if wordnet:
        groups |= wordnet_sets(Path(wordnet))
    if captions:
        groups["everyday_given"] = [
            line for line in Path(captions).read_text("utf-8").splitlines() if line
        ]
    flagged = {
        name: [caption for caption in listed if is_flagged(caption)]
        for name, listed in groups.items()
    }
    yield "| captions | flagged | of | examples of what is wrong |\n|---|---|---|---|"
    for name, listed in groups.items():
        wrong = (
            flagged[name]
            if name.startswith(("trap", "everyday"))
            else [c for c in listed if c not in set(flagged[name])]
        )
        yield (
            f"| {name} | {len(flagged[name]) / len(listed):.4f} | {len(listed)} | "
            f"{'; '.join(wrong[:SHOWN])} |"
        )
    yield f"{cost_us(observe, everyday_captions(), rounds):.1f} us a caption"
    for name, target in (("radiology", 0.96), ("biomedical", 0.75)):
        yield f"goal medical_{name} {len(flagged[name]) / len(groups[name]):.3f} >= {target}"
    traps = [name for name in groups if name.startswith("trap")]
    yield f"goal medical_traps {sum(len(flagged[n]) for n in traps) / sum(len(groups[n]) for n in traps):.3f} <= {2 / 25}"
    everyday = "everyday_given" if captions else "everyday"
    yield f"goal medical_everyday {len(flagged[everyday]) / len(groups[everyday]):.4f} <= 0.004"


@dataclass(frozen=True)
class Synset:
    """Words, definition with examples, and the synsets above it."""

    words: tuple[str, ...]
    gloss: str
    above: tuple[str, ...]


def wordnet_sets(folder: Path) -> dict[str, list[str]]:
    """Definitions of what is medical; example sentences of everything else."""
    nouns = dict(_synsets(folder / "data.noun"))
    below: dict[str, list[str]] = defaultdict(list)
    for offset, synset in nouns.items():
        for above in synset.above:
            below[above].append(offset)
    medical: set[str] = set()
    waiting = [
        o
        for o, s in nouns.items()
        for word, hint in MEDICAL_ROOTS.items()
        if word in s.words and hint in s.gloss
    ]
    while waiting:
        offset = waiting.pop()
        if offset not in medical:
            medical.add(offset)
            waiting += below[offset]
    examples = [e for o, s in nouns.items() if o not in medical for e in QUOTED.findall(s.gloss)]
    for part in ("verb", "adj", "adv"):
        examples += [
            e for _, s in _synsets(folder / f"data.{part}") for e in QUOTED.findall(s.gloss)
        ]
    return {
        "wordnet_medical": [nouns[o].gloss.partition(";")[0] for o in sorted(medical)],
        "everyday_wordnet": examples,
    }


def _synsets(path: Path) -> Iterator[tuple[str, Synset]]:
    """WordNet's own format (wndb(5WN))."""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("  "):
            continue
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        end = 4 + 2 * int(fields[3], 16)
        pointers = fields[end + 1 : end + 1 + 4 * int(fields[end])]
        above = tuple(
            pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")
        )
        yield (
            fields[0],
            Synset(tuple(word.replace("_", " ") for word in fields[4:end:2]), gloss.strip(), above),
        )


def shown(name: str) -> Image.Image:
    """A picture of scikit-image, or a scan of pydicom, its darkest and brightest hundredth cut
    off.
    """
    if not name.endswith(".dcm"):
        from skimage import data

        return Image.fromarray(getattr(data, name)()).convert("RGB")
    import pydicom
    from pydicom.data import get_testdata_file

    pixels = pydicom.dcmread(str(get_testdata_file(name, download=False))).pixel_array.astype(float)
    low, high = np.percentile(pixels, [1, 99])
    return Image.fromarray(
        (np.clip((pixels - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    ).convert("RGB")


def pictures(rounds: int) -> Iterator[str]:
    """What picture detectors say of pictures that are what they should find, and of others."""
    faces, radiograph, nsfw = (
        Faces(min_score=0.5).load(),
        Radiograph().load(),
        NsfwPicture(0.2, 0.8).load(),
    )
    judges: tuple[tuple[str, Callable[[Picture], bool], Sequence[str], Sequence[str]], ...] = (
        ("faces", lambda picture: bool(faces(picture)["face_count"]), WITH_FACE, WITHOUT),
        (
            "radiograph",
            lambda picture: bool(radiograph(picture)["radiograph_like"]),
            SCANS,
            NO_SCANS,
        ),
        ("nsfw_picture", lambda picture: nsfw(picture)["nsfw"] != "UNLIKELY", (), WITHOUT),
    )
    yield "| pictures | found | of | false | of | ms a picture |\n|---|---|---|---|---|---|"
    for name, judge, positive, negative in judges:
        missed = [n for n in positive if not judge(Picture(shown(n)))]
        false = [n for n in negative if judge(Picture(shown(n)))]
        started = time.perf_counter()
        for _ in range(rounds):
            judge(Picture(shown("coffee")))
        ms = (time.perf_counter() - started) / rounds * 1000
        yield (
            f"| {name} | {len(positive) - len(missed)} | {len(positive)} | {len(false)} | "
            f"{len(negative)} | {ms:.1f} |"
        )
        if missed or false:
            yield f"missed: {missed}; false: {false}"


def picture_stage(number: int) -> Iterator[str]:
    """All picture detectors of the LAION configs on pictures of 224 to 640 pixels, on as many
    threads as cores.
    """
    detectors: tuple[Detector, ...] = (Faces(min_score=0.5), PictureHash(), Radiograph(), Halves())
    observe = load_all(detectors)
    ready = [
        Picture(_sized(shown(name), side))
        for name in (*WITH_FACE, "cat", "coffee", "rocket")
        for side in SIDES
    ]
    work = [ready[i % len(ready)] for i in range(number)]
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(observe, ready[:4]))
        started = time.perf_counter()
        list(executor.map(observe, work))
        rate = number / (time.perf_counter() - started)
    yield (
        f"{', '.join(d.name for d in detectors)} on {number} pictures of {SIDES} pixels: "
        f"{rate:.1f} images/s"
    )
    yield f"goal images_per_s {rate:.1f} >= 40"


def _sized(image: Image.Image, side: int) -> Image.Image:
    share = side / max(image.size)
    return image.resize((round(image.width * share), round(image.height * share)))


def row_stage(number: int) -> Iterator[str]:
    """Everything that needs no pixels, in one process: pair detectors, every rule of
    configs/laion2b-en.yaml, the row, the ledger.
    """
    config = load_config(CONFIGS / "demo.yaml")
    plan = make_plan(config)
    detectors = needing(plan.detectors, Needs.PAIR)
    rule_book = make_rule_book(RuleSettings(plan.rules, detectors, b"s" * 32, 1))
    redact = RedactSettings(1)
    captions = everyday_captions()
    samples = [_sample(captions[i % len(captions)] + f", view {i}") for i in range(number)]
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
    found = pair(caption)
    said = {
        "page_types": (), "page_medical_terms": (), "page_medical_headlines": (), "page_medical_host": False, "response_rights_signals": (),
        "picture_rights_signals": (), "dicom": False, "medical_picture_score": 0.1, "radiograph_like": False, "halves_distance": 130,
    }  # fmt: skip
    image = FetchedImage(found.key, "ok", evidence=said, size_bytes=20_000)
    score = Score(
        found.key,
        "ok",
        width=640,
        height=480,
        format="JPEG",
        similarity=0.9,
        model="m",
        precision="fp32",
    )
    return Sample(found, image, score)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under a minute")
    parser.add_argument("--wordnet", metavar="DIR", help="WordNet's data files")
    parser.add_argument("--captions", metavar="FILE", help="everyday captions, one a line")
    options = parser.parse_args()
    rounds, number = (1, 40) if options.quick else (5, 400)
    warnings.simplefilter("ignore")
    print(f"{cpu()}, {os.cpu_count()} cores; medians of {rounds}")
    for lines in (
        personal_data(rounds),
        medical_text(rounds, options.wordnet, options.captions),
        pictures(rounds),
        picture_stage(number),
        row_stage(number * 25),
    ):
        for line in lines:
            print(line)


if __name__ == "__main__":
    main()
