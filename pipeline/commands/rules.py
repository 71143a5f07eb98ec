"""List detectors and rules, and explain or audit what they decided.

pairsieve rules list
    every detector and rule, with input, evidence, actions, settings
pairsieve rules explain --dataset runs/demo --key KEY
    what the rules decided on one row, and why
pairsieve rules audit --dataset runs/demo
    the whole funnel, and every reason with its number of decisions
pairsieve rules agents
    the known AI crawlers; a robots.txt that refuses them refuses us too

`explain` finds the decisions on a row with the secret of the ledger's keys (--key-file; a run keeps
it in its work directory). With --url and --caption instead of --key it also finds pairs that were
never published. The command writes nothing.

Exit status: 0 done, 1 nothing is known of that row, 2 something is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date

from pipeline.commands.options import add_dataset, add_work, make_verb_parser


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("rules", __doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|explain|audit|agents")
    listing = verbs.add_parser(
        "list", help="every detector and rule that can be configured", allow_abbrev=False
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.add_argument(
        "--no-plugins",
        action="store_true",
        help="only pairsieve's own: to list a plugin runs its code",
    )
    explain = verbs.add_parser(
        "explain", help="what the rules decided on one row", allow_abbrev=False
    )
    add_dataset(explain, "the output directory of a run")
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
    add_work(explain)
    audit = verbs.add_parser(
        "audit", help="the funnel and the reasons of a dataset", allow_abbrev=False
    )
    add_dataset(audit, "the output directory of a run")
    audit.add_argument("--json", action="store_true", help="print JSON")
    agents = verbs.add_parser(
        "agents",
        help="the known AI crawlers, their sources, and how old the list is",
        allow_abbrev=False,
    )
    agents.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from filters.registry import FilterConfigError
    from pipeline.dataset.manifest import NoSuchDataset

    try:
        text = _VERBS[options.verb](options)
    except _NothingKnown as error:
        sys.stdout.write(f"{error}\n")
        return 1
    except (FilterConfigError, NoSuchDataset) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.write(text)
    return 0


class _NothingKnown(LookupError):
    """Neither the dataset nor its ledger has the row."""


def _json_text(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"


def _list(options: argparse.Namespace) -> str:
    from filters.catalogue import catalogue, format_catalogue

    plugins = catalogue(plugins=not options.no_plugins)
    return _json_text(plugins) if options.json else format_catalogue(plugins)


def _explain(options: argparse.Namespace) -> str:
    """Raises _NothingKnown, NoSuchDataset."""
    from pairsieve.records.pair import key_of
    from pipeline.dataset.decisions import explained
    from pipeline.dataset.manifest import NoSuchDataset

    if not options.key and not (options.url and options.caption):
        raise NoSuchDataset("name the row: --key KEY, or --url URL with --caption TEXT")
    key = options.key or key_of(options.url, options.caption).hex()
    text = explained(options.dataset, key, options.key_file, options.work)
    if not text:
        raise _NothingKnown(f"nothing is known of {key}")
    return text


def _audit(options: argparse.Namespace) -> str:
    from pipeline.dataset.decisions import audited, reasons_of

    return _json_text(reasons_of(options.dataset)) if options.json else audited(options.dataset)


def _agents(options: argparse.Namespace) -> str:
    from pairsieve.web.agents import read_agents

    listed = read_agents()
    if options.json:
        return _json_text(
            {
                "checked": listed.checked.isoformat(),
                "sources": listed.sources,
                "agents": [asdict(agent) for agent in listed.agents],
            }
        )
    age = (
        f"{len(listed.agents)} AI crawlers, compared with their sources on {listed.checked}, "
        f"{listed.age_days(date.today())} days ago:"
    )
    lines = [age, *(f"    {source}" for source in listed.sources), ""]
    lines.append(f"{'token':32} {'purpose':12} {'operator':24} source")
    lines += [
        f"{agent.token:32} {agent.purpose:12} {agent.operator:24} {agent.source}"
        for agent in listed.agents
    ]
    return "\n".join(lines) + "\n"


_VERBS: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "list": _list,
    "explain": _explain,
    "audit": _audit,
    "agents": _agents,
}
