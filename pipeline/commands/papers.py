"""Write papers about a dataset that a law or an office asks for.

pairsieve papers eu-summary --dataset runs/mine --out summary.md --domains domains.csv
    the public summary of training content of article 53(1)(d) of the EU's AI Act

The summary has the sections of the AI Office's template. Every figure is counted in the dataset.
What only the provider of a model knows is marked "to be filled in". The command changes nothing in
the dataset.

Exit status: 0 done, 2 there is no dataset.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from pipeline.commands.options import add_dataset, make_verb_parser


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("papers", __doc__)
    parser.add_argument("paper", choices=("eu-summary",), help="which paper")
    add_dataset(parser, "the output directory of a run")
    parser.add_argument(
        "--out", metavar="FILE", help="where the page goes (default: standard output)"
    )
    parser.add_argument(
        "--domains", metavar="FILE", help="write all domains that section 2.3 asks for, as CSV"
    )
    parser.add_argument(
        "--small-provider",
        action="store_true",
        help="for small and medium enterprises: the top 5 %% of the domains or 1,000, whichever is "
        "less",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON, and no page"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage import files
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.eu_summary import count, domain_list, figures, page
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.writer import kept_unchanged

    try:
        with kept_unchanged(options.dataset):
            content = count(options.dataset)
    except (NoSuchDataset, InUse) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    if options.domains:
        files.write_text(options.domains, domain_list(content, options.small_provider))
    if options.json:
        sys.stdout.write(json.dumps(figures(content, options.small_provider), indent=1) + "\n")
    elif options.out:
        files.write_text(options.out, page(content, options.small_provider))
        sys.stdout.write(f"{options.out}\n")
    else:
        sys.stdout.write(page(content, options.small_provider))
    return 0
