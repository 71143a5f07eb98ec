"""Take out of your copy of a dataset what was erased from it, as its feed tells.

pairsieve follow --feed https://example.org/mine --copy pictures \\
    --public-key feed.pub --key recipients.key
    take them out; run it once a week
pairsieve follow ... --dry-run
    say what would be taken out

The publisher of the dataset gives you two files: feed.pub, which tells that the feed is theirs, and
recipients.key, which tells which rows it means. --feed is the dataset, or its folder erasures/.

The command reads parquet and Arrow tables, vectors (.npy) beside them, img2dataset's folders,
webdataset's tar files, and the metadata of clip-retrieval. Rows of tables to which an index refers
by number are made empty, and stay. Files of other kinds, and rows without an id, URL or sha256,
are listed as not reached. An index of vectors is one of them: build it anew, then name it with
--accept '*.index'.

A feed that is forged, cut off, out of order or older than what this copy has seen is refused, and
nothing is changed. A copy that was not followed before cannot know whether the end was cut off:
ask the publisher for the number of entries, and give it as --at-least.

Exit status: 0 nothing erased is left, 1 something could not be reached or went wrong, 2 the feed is
refused or something is missing, and nothing was done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands.options import make_verb_parser

if TYPE_CHECKING:
    from pipeline.dataset.follow import Followed

MAX_UNREACHED_SHOWN = 50


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("follow", __doc__)
    parser.add_argument(
        "--feed", required=True, metavar="URL", help="the dataset, or its folder erasures/"
    )
    parser.add_argument("--copy", required=True, metavar="DIR", help="your copy")
    parser.add_argument(
        "--public-key",
        required=True,
        metavar="KEY",
        help="feed.pub of the publisher: the file, or its 64 hex digits",
    )
    parser.add_argument(
        "--key", required=True, metavar="FILE", help="recipients.key of the publisher"
    )
    parser.add_argument(
        "--at-least",
        type=int,
        default=0,
        metavar="N",
        help="refuse a feed with fewer entries: the number that the publisher names",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files that you have dealt with yourself, such as '*.index'; may be given again",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be taken out, and change nothing"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.erasure.feed import BadFeed
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.marked import NotOurs
    from pairsieve.storage.sealed import Damaged
    from pairsieve.storage.secret import BadSecret
    from pipeline.dataset.follow import Source, StillThere, accepted, follow
    from pipeline.dataset.manifest import NoSuchDataset

    source = Source(options.feed, options.public_key, options.key, options.at_least)
    try:
        followed = follow(options.copy, source, options.dry_run)
    except BadFeed as error:
        return _fail(f"the feed is refused: {error}", 2)
    except (BadSecret, NoSuchDataset, NotOurs) as error:
        return _fail(str(error), 2)
    except (Damaged, InUse, StillThere) as error:
        return _fail(str(error), 1)
    except OSError as error:
        return _fail(f"it failed: {error}\nThe same command goes on from there.", 1)
    unreached = accepted(followed.outcome, options.accept).unreached
    sys.stdout.write(_summary(options, followed, unreached))
    return 1 if unreached else 0


def _summary(options: argparse.Namespace, followed: Followed, unreached: dict[str, str]) -> str:
    """The changes as text; the last line is for scripts."""
    lines = []
    if followed.entries:
        last = followed.entries[-1]
        lines.append(
            f"feed: {last.sequence} entries, the last of {last.made_on}, version {last.version} of "
            f"{_shown(last.dataset)}"
        )
    else:
        lines.append("feed: no entries, nobody was taken out so far")
    lines += [f"{kind}: {number}" for kind, number in followed.outcome.taken_out.items() if number]
    shown = list(unreached.items())[:MAX_UNREACHED_SHOWN]
    lines += [f"not reached: {_shown(path)}: {why}" for path, why in shown]
    if len(unreached) > len(shown):
        lines.append(f"... and {len(unreached) - len(shown)} more")
    done = "would be taken out" if options.dry_run else "taken out"
    number = followed.outcome.taken_out.total()
    lines.append(f"{options.copy}: {number} {done}, {len(unreached) or 'no'} places not reached")
    return "\n".join(lines) + "\n"


def _shown(text: str) -> str:
    """A name that others chose, on one line of a terminal."""
    from pairsieve.web.shown import plain

    return plain(text, 200)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
