"""Measures how well a score tells labelled pictures apart, threshold by threshold."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from filters.detector import Needs
from filters.observe import load_all
from filters.registry import needing
from pairsieve.attempt import Failure, attempt
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image, Score
from pairsieve.storage import files
from pairsieve.storage.settled import Looking
from pairsieve.warc.source import ArchiveSettings
from pipeline.config import Config
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.plan import look_up, score_settings

YES, NO = ("1", "true", "yes"), ("0", "false", "no")
STEPS = 20


@dataclass(frozen=True)
class Labelled:
    """A picture that a person has looked at; `positive` where the score should find it."""

    path: str
    positive: bool
    caption: str = ""


@dataclass(frozen=True)
class Point:
    """The effect of a threshold: pictures from it on are flagged.

    Precision is None where it flags none.
    """

    threshold: float
    flagged: int
    precision: float | None
    recall: float


def read_labels(path: str) -> list[Labelled]:
    """Read a CSV file with the columns path, label (1 or 0) and, where there is one, caption.

    Paths start at its folder. Raises ConfigError.
    """
    try:
        rows = list(csv.DictReader(files.read_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read the labels {path} ({type(error).__name__})") from None
    # The first row is on line 2, below the names of the columns.
    labelled = [_labelled(path, number, row) for number, row in enumerate(rows, start=2)]
    if {picture.positive for picture in labelled} != {True, False}:
        raise ConfigError(
            f"{path} has {len(labelled)} pictures of one kind; precision and recall need some of "
            "each label, 1 and 0"
        )
    return labelled


def _labelled(path: str, line: int, row: Mapping[str, str | None]) -> Labelled:
    name = row.get("path")
    label = (row.get("label") or "").strip().lower()
    if not name or label not in (*YES, *NO):
        raise ConfigError(
            f"{path}, line {line}: give path and label (1 or 0), as in `scans/0001.png,1`, "
            "below a line `path,label`"
        )
    folder = path.rpartition("/")[0]
    picture = files.join(folder, name) if folder else name
    return Labelled(picture, label in YES, row.get("caption") or "")


def observe_all(
    config: Config, labelled: Sequence[Labelled], subset: str
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Observe the evidence of each picture.

    Returns the evidence, empty for a picture that cannot be judged, and problem -> pictures.
    """
    from transforms.score.handler import load_scorer
    from transforms.score.score_rows import score_rows

    plan = look_up(config)
    archive = ArchiveSettings(config.fetch.max_bytes)
    # Every picture is observed, however little it resembles its caption.
    settings = score_settings(config, plan.models, archive, Looking(-1.0, -1.0))
    scorer = load_scorer(settings, plan.detectors)
    observe_pair = load_all(needing(plan.detectors, Needs.PAIR))
    pairs = [_pair(picture, subset) for picture in labelled]
    images = [_image(pair, picture) for pair, picture in zip(pairs, labelled, strict=True)]
    paths = {image.sha256: picture.path for image, picture in zip(images, labelled, strict=True)}
    try:
        scores = score_rows(pairs, images, lambda image: _content(paths[image.sha256]), scorer)
    finally:
        scorer.processes.close()
        scorer.executor.shutdown()
    all_evidence, problems = list[dict[str, Any]](), Counter[str]()
    for pair, score in zip(pairs, scores, strict=True):
        of_pair = attempt(observe_pair, pair)
        problem = _problem(score, of_pair)
        if problem or isinstance(of_pair, Failure):
            problems[problem] += 1
            all_evidence.append({})
        else:
            of_picture = {"similarity": score.similarity, **(score.evidence or {})}
            all_evidence.append({**of_picture, **of_pair})
    return all_evidence, problems


def _problem(score: Score, of_pair: Mapping[str, Any] | Failure) -> str:
    """Why a picture cannot be judged; empty where it can."""
    if score.status != "ok":
        return score.status
    if score.errors:
        return score.errors[0]
    return of_pair.error if isinstance(of_pair, Failure) else ""


def _pair(picture: Labelled, subset: str) -> Pair:
    """A pair that has the path in the place of the URL, and no page."""
    key = key_of(picture.path, picture.caption)
    return Pair(key, picture.path, picture.caption, subset, "", "", "", 0, "", "", 0, {})


def _image(pair: Pair, picture: Labelled) -> Image:
    digest = hashlib.sha256(_content(picture.path))
    return Image(pair.key, "ok", sha256=digest.hexdigest())


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
    """A piece of evidence as a number; None where there is none.

    A list counts its entries. `prompt_scores.GROUP` is the share of a group.
    """
    name, _, group = score.partition(".")
    value = evidence.get(name)
    if group and value is not None:
        shares = [part["score"] for part in value if part["group"] == group]
        value = shares[0] if shares else None
    if isinstance(value, list | tuple):
        return float(len(value))
    return float(value) if isinstance(value, int | float) else None


def curve(
    scores: Sequence[float], labels: Sequence[bool], thresholds: Sequence[float]
) -> list[Point]:
    """Precision and recall at each threshold."""
    values, positive = np.asarray(scores), np.asarray(labels, bool)
    positives = int(positive.sum())
    points = []
    for threshold in thresholds:
        flagged = values >= threshold
        right, number = int((flagged & positive).sum()), int(flagged.sum())
        precision = right / number if number else None
        points.append(Point(threshold, number, precision, right / positives))
    return points


def steps(scores: Sequence[float]) -> list[float]:
    """Thresholds at even shares of the scores."""
    shares = np.linspace(0, 1, STEPS + 1)
    return [float(value) for value in np.unique(np.quantile(scores, shares))]


def plot(points: Sequence[Point], score: str, path: str) -> None:
    """Draw precision and recall over the threshold.

    The kind of file follows from its name: .svg, .png or .pdf.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    # A threshold that flags nothing has no precision.
    precise = [point for point in points if point.precision is not None]
    thresholds = [point.threshold for point in precise]
    axes.plot(thresholds, [p.precision or 0.0 for p in precise], marker=".", label="precision")
    axes.plot([p.threshold for p in points], [p.recall for p in points], marker=".", label="recall")
    axes.set(xlabel=f"flagged from {score} =", ylim=(0, 1.03))
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower left")  # "best" takes time, and warns where it takes long
    figure.savefig(path)
