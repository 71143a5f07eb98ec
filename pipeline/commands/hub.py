"""Put a dataset on Hugging Face's Hub, and take erased rows off it with its history.

pairsieve hub push --dataset runs/mine --repo me/mine
    put it there as one commit; a new repository is private
pairsieve hub withdraw --dataset runs/mine --repo me/mine
    after an erasure: say which names would be removed
pairsieve hub withdraw --dataset runs/mine --repo me/mine --yes
    push the new version; remove branches, tags, history and large files of earlier revisions
pairsieve hub verify --dataset runs/mine --repo me/mine
    read every revision that still answers, and look for erased rows
pairsieve hub verify --dataset runs/mine --store s3://bucket/mine
    the same for every version that a bucket keeps of its objects

Needs the extra `hub`, and for the Hub a token that may write (`hf auth login` or HF_TOKEN). The
data card's `publish.gate_prompt` makes the repository ask people to apply, before anything is
there. A push that was cut off is repeated: what has been uploaded stays.

`withdraw` ends with `verify`. Pull requests cannot be removed by the Hub's interface: verify names
those that hold erased rows; close them, and ask the Hub's support to remove their references.

Exit status: 0 done, 1 an erased row can be read or something went wrong, 2 something is missing or
refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands.extras import lacks
from pipeline.commands.options import add_dataset, make_verb_parser

if TYPE_CHECKING:
    from pairsieve.copies.erased import Erased
    from pipeline.dataset.hub_push import Hub, Record
    from pipeline.dataset.revisions import Verified

MAX_SHOWN = 50


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("hub", __doc__)
    parser.add_argument("verb", choices=("push", "withdraw", "verify"), help="what to do")
    add_dataset(parser, "the output directory of a run, or an adopted dataset")
    parser.add_argument("--repo", metavar="NAME", help="the repository, as me/mine")
    parser.add_argument(
        "--endpoint", default="", metavar="URL", help="another Hub (default: HF_ENDPOINT)"
    )
    parser.add_argument(
        "--store", metavar="URL", help="for verify: a bucket with versions, s3:// or gs://"
    )
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="the private folder of keys and tombstones (default: DATASET.erased)",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="the private file of the commits that were ever made (default: DATASET.hub.json)",
    )
    parser.add_argument("--yes", action="store_true", help="for withdraw: remove")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("hub"):
        return 2
    if not options.repo and not (options.verb == "verify" and options.store):
        return _fail("name the repository with --repo, or for verify a bucket with --store", 2)
    from pairsieve.storage.sealed import Damaged
    from pipeline.dataset.hub_push import Outdated, errors
    from pipeline.dataset.manifest import NoSuchDataset

    if not sys.stderr.isatty():
        # Bars of the client would fill a log.
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
    failed: tuple[type[BaseException], ...] = (RuntimeError, ValueError, *errors())
    try:
        return _run_verb(options)
    except (NoSuchDataset, Outdated) as error:
        return _fail(str(error), 2)
    except Damaged as error:
        return _fail(str(error), 1)
    except failed as error:
        return _fail(f"it failed: {error}\nThe same command goes on from there.", 1)


def _run_verb(options: argparse.Namespace) -> int:
    from pipeline.dataset.hub_push import Hub, Record, planned, push, withdraw

    dataset = options.dataset.rstrip("/")
    hub = Hub(options.repo or "", options.endpoint)
    record = Record(options.record or f"{dataset}.hub.json")
    if options.verb == "verify":
        return _verify(options, hub, record)
    if options.verb == "push":
        pushed = push(dataset, hub, record)
        sys.stdout.write(f"{options.repo}: {pushed.files} files, commit {pushed.commit}\n")
        return 0
    if not options.yes:
        names = "".join(f"{name}\n" for name in planned(hub))
        sys.stdout.write(
            f"{names}would be removed, with the history and the large files of earlier revisions; "
            "give --yes\n"
        )
        return 0
    # Here too, so that nothing is removed of a dataset that nobody was taken out of.
    _erased(options)
    withdrawn = withdraw(dataset, hub, record)
    sys.stdout.writelines(f"removed {name}\n" for name in withdrawn.removed)
    return _verify(options, hub, record)


def _erased(options: argparse.Namespace) -> Erased:
    from pipeline.dataset.revisions import erasures_of

    dataset = options.dataset.rstrip("/")
    return erasures_of(dataset, options.tombstones or f"{dataset}.erased")


def _verify(options: argparse.Namespace, hub: Hub, record: Record) -> int:
    from pipeline.dataset.revisions import noncurrent, verify_hub, verify_store

    erased = _erased(options)
    if not options.store:
        return _say(options.repo, verify_hub(hub, erased, record), "revisions")
    old = noncurrent(options.store)
    lines = [f"noncurrent: {version.path} {version.id}\n" for version in old[:MAX_SHOWN]]
    if len(old) > len(lines):
        lines.append(f"... and {len(old) - len(lines)} more noncurrent versions\n")
    sys.stdout.writelines(lines)
    return _say(options.store, verify_store(options.store, erased), "versions")


def _say(place: str, verified: Verified, kind: str) -> int:
    """Print which files have erased rows or are unreadable; the exit status."""
    for file in verified.wrong[:MAX_SHOWN]:
        problem = f"{file.rows} erased rows" if file.rows else file.why
        places = ", ".join(file.places[:10])
        sys.stdout.write(f"{file.path}: {problem}, in {places}\n")
    not_shown = len(verified.wrong) - MAX_SHOWN
    if not_shown > 0:
        sys.stdout.write(f"... and {not_shown} more files\n")
    sys.stdout.write(
        f"{place}: {verified.files} files in {verified.revisions} {kind}: "
        f"{len(verified.wrong) or 'no'} with erased rows, or unreadable\n"
    )
    return 1 if verified.wrong else 0


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
