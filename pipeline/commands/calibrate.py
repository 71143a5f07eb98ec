"""Find a threshold: score labelled pictures, and show what each one flags.

pairsieve calibrate --config my.yaml --labels labels.csv \\
    --score medical_picture_score --plot curve.svg

LABELS is a CSV file with the columns path and label (1: what should be found, 0: what should not),
and caption where a score needs one; paths start at its folder. SCORE is a column of evidence that a
detector of the config observes, prompt_scores.GROUP, or similarity. Nothing is asked of the web and
nothing is written but the plot. Exit status: 0 done, 2 something is missing.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from pipeline.commands.config_options import add_no_plugins
from pipeline.commands.run import DEFAULT_CONFIG


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
        help="these thresholds alone; may be given again",
    )
    parser.add_argument(
        "--subset",
        default="en",
        choices=("en", "multi", "nolang"),
        help="whose model scores the pictures",
    )
    parser.add_argument("--plot", metavar="FILE", help="precision and recall as .svg, .png or .pdf")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        help="change one setting; may be given again",
    )
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
    """The table that is printed. Raises ConfigError."""
    from pipeline.config import config_of
    from pipeline.dataset.labels import (
        curve,
        number_of,
        observe_all,
        plot,
        read_labels,
        steps,
    )
    from pipeline.orchestrate.config_file import ConfigError

    labelled = read_labels(options.labels)
    evidence, problems = observe_all(config_of(options), labelled, options.subset)
    numbers = [number_of(found, options.score) for found in evidence]
    judged = [
        (number, one.positive)
        for number, one in zip(numbers, labelled, strict=True)
        if number is not None
    ]
    if not any(positive for _, positive in judged):
        known = ", ".join(sorted({name for found in evidence for name in found})) or "none"
        raise ConfigError(
            f"no labelled picture of label 1 has a {options.score}; scores that are there: {known}"
        )
    scores = [number for number, _ in judged]
    points = curve(scores, [positive for _, positive in judged], options.at or steps(scores))
    if options.plot:
        plot(points, options.score, options.plot)
    head = (
        f"{len(judged)} pictures judged, {sum(positive for _, positive in judged)} of them "
        "labelled 1"
    )
    missing = "".join(
        f"; {number} not judged: {problem}" for problem, number in sorted(problems.items())
    )
    lines = [f"{'threshold':>10}{'flagged':>9}{'precision':>11}{'recall':>8}"]
    for point in points:
        precision = "-" if point.precision is None else f"{point.precision:.3f}"
        lines.append(
            f"{point.threshold:>10.4f}{point.flagged:>9}{precision:>11}{point.recall:>8.3f}"
        )
    return f"{head}{missing}\n" + "\n".join(lines) + "\n"
