"""Find a threshold: score labelled pictures, and show what each one flags.

pairsieve calibrate --config my.yaml --labels labels.csv \\
    --score medical_picture_score --plot curve.svg

LABELS is a CSV file with the columns path and label (1: the score should find it, 0: it should
not), and caption where a score needs one. Paths start at its folder. SCORE is similarity,
prompt_scores.GROUP, or a column of evidence that a detector of the config observes. The command
makes no request, and writes nothing but the plot.

Exit status: 0 done, 2 something is missing.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.commands.options import add_no_plugins, add_set, make_verb_parser
from pipeline.commands.run import DEFAULT_CONFIG

if TYPE_CHECKING:
    from pipeline.dataset.labels import Point


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("calibrate", __doc__)
    parser.add_argument(
        "--config",
        default=str(DEFAULT_CONFIG),
        metavar="FILE",
        help="models and detectors (default: configs/demo.yaml)",
    )
    parser.add_argument("--labels", required=True, metavar="FILE", help="CSV: path,label[,caption]")
    parser.add_argument(
        "--score",
        required=True,
        metavar="SCORE",
        help="which score, as medical_picture_score or punsafe",
    )
    parser.add_argument(
        "--at",
        action="append",
        type=float,
        metavar="THRESHOLD",
        help="show only this threshold; may be given again (default: 20, at even shares of the "
        "scores)",
    )
    parser.add_argument(
        "--subset",
        default="en",
        choices=("en", "multi", "nolang"),
        help="the subset whose model scores the pictures (default: en)",
    )
    parser.add_argument("--plot", metavar="FILE", help="precision and recall as .svg, .png or .pdf")
    add_set(parser)
    add_no_plugins(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    from pipeline.orchestrate.config_file import ConfigError

    try:
        sys.stdout.write(calibrate(options))
    except ConfigError as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    return 0


def calibrate(options: argparse.Namespace) -> str:
    """Score the pictures; the table of thresholds. Raises ConfigError."""
    from pipeline.dataset.labels import curve, number_of, observe_all, plot, read_labels, steps
    from pipeline.load_config import config_of
    from pipeline.orchestrate.config_file import ConfigError

    labelled = read_labels(options.labels)
    all_evidence, problems = observe_all(config_of(options), labelled, options.subset)
    scores, labels = list[float](), list[bool]()
    for evidence, picture in zip(all_evidence, labelled, strict=True):
        number = number_of(evidence, options.score)
        if number is not None:
            scores.append(number)
            labels.append(picture.positive)
    if not any(labels):
        names = {name for evidence in all_evidence for name in evidence}
        known = ", ".join(sorted(names)) or "none"
        raise ConfigError(
            f"no labelled picture of label 1 has a {options.score}; scores that are there: {known}"
        )
    points = curve(scores, labels, options.at or steps(scores))
    if options.plot:
        plot(points, options.score, options.plot)
    return _table(labels, problems, points)


def _table(labels: Sequence[bool], problems: Mapping[str, int], points: Sequence[Point]) -> str:
    head = f"{len(labels)} pictures judged, {sum(labels)} of them labelled 1"
    for problem, number in sorted(problems.items()):
        head += f"; {number} not judged: {problem}"
    lines = [head, f"{'threshold':>10}{'flagged':>9}{'precision':>11}{'recall':>8}"]
    for point in points:
        precision = "-" if point.precision is None else f"{point.precision:.3f}"
        lines.append(
            f"{point.threshold:>10.4f}{point.flagged:>9}{precision:>11}{point.recall:>8.3f}"
        )
    return "\n".join(lines) + "\n"
