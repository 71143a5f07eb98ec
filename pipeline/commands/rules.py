"""List detectors and rules, and explain or audit what they decided.

pairsieve rules list
    every detector and rule, with input, evidence, actions, settings
pairsieve rules explain --dataset runs/demo --key KEY
    what the rules said of one row, and why
pairsieve rules audit --dataset runs/demo
    the whole funnel, and every reason with its number
pairsieve rules agents
    the AI crawlers whose refusal in a robots.txt is ours

`explain` finds the decisions on a row with the secret of the ledger's keys (--key-file; a run keeps
it in its work directory). With --url and --caption instead of --key it also finds what was never
published. Nothing is written. Exit status: 0 done, 1 nothing is known of that row, 2 something is
missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve rules",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|explain|audit|agents")
    listing = verbs.add_parser(
        "list", help="every detector and rule that can be configured", allow_abbrev=False
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.add_argument(
        "--no-plugins",
        action="store_true",
        help="only pairsieve's own: to list a plugin runs its code",
    )
    explain = verbs.add_parser("explain", help="what the rules said of one row", allow_abbrev=False)
    explain.add_argument(
        "--dataset", required=True, metavar="DIR", help="the output directory of a run"
    )
    explain.add_argument("--key", metavar="KEY", help="the row's `key` column")
    explain.add_argument(
        "--url", metavar="URL", help="instead of --key: the image URL of the pair ..."
    )
    explain.add_argument("--caption", metavar="TEXT", help="... and its caption, as cleaned")
    explain.add_argument(
        "--key-file",
        metavar="FILE",
        help="the secret of the ledger's keys "
        "(publish.key_file, or ledger.key in the work directory)",
    )
    audit = verbs.add_parser(
        "audit", help="the funnel and the reasons of a dataset", allow_abbrev=False
    )
    audit.add_argument(
        "--dataset", required=True, metavar="DIR", help="the output directory of a run"
    )
    audit.add_argument("--json", action="store_true", help="as JSON")
    agents = verbs.add_parser(
        "agents",
        help="the known AI crawlers, their sources, and how old the list is",
        allow_abbrev=False,
    )
    agents.add_argument("--json", action="store_true", help="as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from filters.registry import FilterConfigError
    from pipeline.dataset.manifest import NoSuchDataset

    try:
        text, status = {"list": _list, "explain": _explain, "audit": _audit, "agents": _agents}[
            options.verb
        ](options)
    except (FilterConfigError, NoSuchDataset) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.write(text)
    return status


def _list(options: argparse.Namespace) -> tuple[str, int]:
    from filters.catalogue import catalogue, format_catalogue

    found = catalogue(plugins=not options.no_plugins)
    return (json.dumps(found, indent=2) + "\n" if options.json else format_catalogue(found)), 0


def _explain(options: argparse.Namespace) -> tuple[str, int]:
    from pairsieve.records.pair import key_of
    from pipeline.dataset.audit import explained
    from pipeline.dataset.manifest import NoSuchDataset

    if not options.key and not (options.url and options.caption):
        raise NoSuchDataset("name the row: --key KEY, or --url URL with --caption TEXT")
    key = options.key or key_of(options.url, options.caption).hex()
    text = explained(options.dataset, key, options.key_file)
    return (text, 0) if text else (f"nothing is known of {key}\n", 1)


def _audit(options: argparse.Namespace) -> tuple[str, int]:
    from pipeline.dataset.audit import audited, reasons_of

    return (
        json.dumps(reasons_of(options.dataset), indent=2) + "\n"
        if options.json
        else audited(options.dataset)
    ), 0


def _agents(options: argparse.Namespace) -> tuple[str, int]:
    from pairsieve.web.agents import read_agents

    listed = read_agents()
    if options.json:
        found = {
            "checked": listed.checked.isoformat(),
            "sources": listed.sources,
            "agents": [asdict(agent) for agent in listed.agents],
        }
        return json.dumps(found, indent=2) + "\n", 0
    rows = [
        f"{agent.token:32} {agent.purpose:12} {agent.operator:24} {agent.source}"
        for agent in listed.agents
    ]
    age = (
        f"{len(rows)} AI crawlers, compared with their sources on {listed.checked}, "
        f"{listed.age_days(date.today())} days ago:"
    )
    sources = "\n".join(f"    {source}" for source in listed.sources)
    head = f"{'token':32} {'purpose':12} {'operator':24} source"
    return "\n".join([age, sources, "", head, *rows]) + "\n", 0
