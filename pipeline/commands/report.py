"""Write a dataset's report: one HTML page without network, pictures or captions.

pairsieve report --dataset runs/mine
    write runs/mine/report.html, as every run does
pairsieve report --dataset runs/mine --out report.html
    write it elsewhere
pairsieve report --compare runs/mine runs/other --out changes.html
    compare two runs: decisions gained and lost for each rule

Exit status: 0 done, 2 there is no dataset.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.commands.options import make_verb_parser


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("report", __doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--dataset", metavar="DIR", help="the output directory of a run")
    which.add_argument(
        "--compare", nargs=2, metavar=("DIR", "DIR"), help="the output directories of two runs"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="where the page goes (default: report.html in the dataset; compare.html)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage import files
    from pipeline.dataset.facts import gather
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.report_page import REPORT, Report, compare_page

    try:
        if options.compare:
            first, second = options.compare
            page = compare_page(gather(first), gather(second), (first, second))
            path = options.out or "compare.html"
        else:
            page = Report(gather(options.dataset)).page()
            path = options.out or files.join(options.dataset, REPORT)
    except NoSuchDataset as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    files.write_text(path, page)
    sys.stdout.write(f"{path}\n")
    return 0
