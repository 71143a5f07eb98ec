"""How well a score tells labelled pictures apart, threshold by threshold."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from filters.detector import Needs
from filters.observe import load_all
from filters.registry import needing
from pairsieve.attempt import Failure, attempt
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image
from pairsieve.storage import files
from pairsieve.warc.source import ArchiveSettings
from pipeline.config import Config
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.plan import look_up, score_settings

YES, NO = ("1", "true", "yes"), ("0", "false", "no")
STEPS = 20


@dataclass(frozen=True)
class Labelled:
    """A picture that somebody has looked at; `positive` says whether it is what the score should
    find.
    """

    path: str
    positive: bool
    caption: str = ""


@dataclass(frozen=True)
class Point:
    """What a threshold does: pictures from it on are flagged. Precision is None where none is."""

    threshold: float
    flagged: int
    precision: float | None
    recall: float


def read_labels(path: str) -> list[Labelled]:
    """A CSV file with columns path, label (1 or 0) and, if wanted, caption; paths start at its
    folder. Raises ConfigError.
    """
    try:
        rows = list(csv.DictReader(files.read_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read the labels {path} ({type(error).__name__})") from None
    found = list(_labelled(path, rows))
    if {one.positive for one in found} != {True, False}:
        raise ConfigError(
            f"{path} has {len(found)} pictures of one kind; precision and recall need some of "
            "each label, 1 and 0"
        )
    return found


def _labelled(path: str, rows: Sequence[Mapping[str, str | None]]) -> Iterator[Labelled]:
    folder = path.rpartition("/")[0]
    for number, row in enumerate(rows, start=2):
        name, label = row.get("path"), (row.get("label") or "").strip().lower()
        if not name or label not in (*YES, *NO):
            raise ConfigError(
                f"{path}, line {number}: give path and label (1 or 0), as in `scans/0001.png,1`, "
                "below a line `path,label`"
            )
        yield Labelled(
            files.join(folder, name) if folder else name, label in YES, row.get("caption") or ""
        )


def observe_all(
    config: Config, labelled: Sequence[Labelled], subset: str
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The evidence of each picture, empty for one that cannot be judged; and why those could
    not.
    """
    from transforms.score.handler import load_scorer
    from transforms.score.scorer import score_rows

    found = look_up(config)
    settings = score_settings(
        config, found.models, ArchiveSettings(config.fetch.max_bytes), detect_from=-1.0
    )
    scorer = load_scorer(settings, found.detectors)
    observe_pair = load_all(needing(found.detectors, Needs.PAIR))
    pairs = [_pair(one, subset) for one in labelled]
    images = [_image(pair, one) for pair, one in zip(pairs, labelled, strict=True)]
    paths = {image.sha256: one.path for image, one in zip(images, labelled, strict=True)}
    try:
        scores = score_rows(pairs, images, lambda image: _content(paths[image.sha256]), scorer)
    finally:
        scorer.processes.close()
        scorer.executor.shutdown()
    evidence, problems = list[dict[str, Any]](), Counter[str]()
    for pair, score in zip(pairs, scores, strict=True):
        said = attempt(observe_pair, pair)
        problem = (
            score.status
            if score.status != "ok"
            else (*score.errors, said.error if isinstance(said, Failure) else "")[0]
        )
        problems.update([problem] if problem else [])
        judged = (
            {}
            if isinstance(said, Failure)
            else {"similarity": score.similarity, **(score.evidence or {}), **said}
        )
        evidence.append({} if problem else judged)
    return evidence, problems


def _pair(one: Labelled, subset: str) -> Pair:
    return Pair(
        key_of(one.path, one.caption), one.path, one.caption, subset, "", "", "", 0, "", "", 0, {}
    )


def _image(pair: Pair, one: Labelled) -> Image:
    return Image(pair.key, "ok", sha256=hashlib.sha256(_content(one.path)).hexdigest())


def _content(path: str) -> bytes:
    try:
        with files.open_read(path) as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(
            f"cannot read the picture {path} ({type(error).__name__}); paths start at the folder "
            "of the labels"
        ) from None


def number_of(evidence: Mapping[str, Any], score: str) -> float | None:
    """A piece of evidence as a number: lists count their entries, `prompt_scores.GROUP` is the
    share of a group.
    """
    name, _, group = score.partition(".")
    value = evidence.get(name)
    if group and value is not None:
        value = next((part["score"] for part in value if part["group"] == group), None)
    if isinstance(value, list | tuple):
        return float(len(value))
    return float(value) if isinstance(value, int | float) else None


def curve(
    scores: Sequence[float], labels: Sequence[bool], thresholds: Sequence[float]
) -> list[Point]:
    """Precision and recall at each threshold."""
    values, positive = np.asarray(scores), np.asarray(labels, bool)
    points = []
    for threshold in thresholds:
        flagged = values >= threshold
        right, number = int((flagged & positive).sum()), int(flagged.sum())
        points.append(
            Point(
                threshold, number, right / number if number else None, right / int(positive.sum())
            )
        )
    return points


def steps(scores: Sequence[float]) -> list[float]:
    """Thresholds at even shares of the scores."""
    return [float(value) for value in np.unique(np.quantile(scores, np.linspace(0, 1, STEPS + 1)))]


def plot(points: Sequence[Point], score: str, path: str) -> None:
    """Precision and recall over the threshold; the kind of file follows from its name (.svg, .png,
    .pdf).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    flagged = [point for point in points if point.precision is not None]
    axes.plot(
        [p.threshold for p in flagged],
        [p.precision or 0.0 for p in flagged],
        marker=".",
        label="precision",
    )
    axes.plot([p.threshold for p in points], [p.recall for p in points], marker=".", label="recall")
    axes.set(xlabel=f"flagged from {score} =", ylim=(0, 1.03))
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower left")  # "best" takes time, and warns where it takes long
    figure.savefig(path)
