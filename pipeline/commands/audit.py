"""Label a sample of rows blindly, and bound how much the rules missed.

pairsieve audit --dataset runs/mine --work work/mine
    serve a page on this machine, on which a person answers a question of each drawn row
pairsieve audit --dataset runs/mine --work work/mine --report
    write "patients that we missed: at most x %" into data card, report and audit.json
pairsieve audit --dataset runs/mine --work work/mine --question children --labels 4000
    ask another question, of more rows

The sample is drawn from published rows and from those that were kept out, more of it near
decisions. The same dataset, question, --seed and --labels draw the same rows. The page shows the
caption, and the picture where somebody asks for it; it shows nothing of what the rules decided.
Keys: y, n, ? (cannot tell), p (picture), Backspace (take the last answer back). Every answer is
written at once to a private file in the work directory, so the command can be ended and given
again at any time. "Cannot tell" counts as missed.

Decide how many rows you label before you look at the result: who stops when the bound looks good
makes it wrong. Pictures come from archives on this machine and from the work directory. With
--pictures web others are asked for as the run did, where the run was answered. The page needs the
extra `explore`.

Exit status: 0 done, 1 not enough labels for a bound, 2 something is missing.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pipeline.commands.extras import lacks
from pipeline.commands.options import add_dataset, make_verb_parser

if TYPE_CHECKING:
    from pairsieve.audit.labels import LabelFile
    from pairsieve.audit.page import Item
    from pipeline.dataset.audit import DrawnSample
    from pipeline.dataset.audit_rows import DrawnRow, Pictures

QUESTIONS = ("patients", "children", "documents")
LABELS, SEED, PORT = 1_000, 1, 8081
MAX_SEED = 2**63 - 1
HOST = "127.0.0.1"
"""The page shows captions that no rule has let pass, so it is served to this machine alone."""


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("audit", __doc__)
    add_dataset(parser, "the output directory of a run")
    parser.add_argument(
        "--work", required=True, metavar="DIR", help="the work directory of the same run"
    )
    parser.add_argument(
        "--question",
        choices=QUESTIONS,
        default=QUESTIONS[0],
        help="what is asked of each row (default: patients)",
    )
    parser.add_argument(
        "--labels",
        type=int,
        default=LABELS,
        metavar="N",
        help=f"how many rows to draw (default: {LABELS:,})",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=SEED,
        metavar="N",
        help=f"another number draws other rows (default: {SEED})",
    )
    parser.add_argument(
        "--labels-file",
        metavar="FILE",
        help="where labels are kept; private (default: WORK/audit/QUESTION-SEED.jsonl)",
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help="the secret of the ledger's keys (default: ledger.key in the work directory)",
    )
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="tombstones of rows that nobody is to see (default: DATASET.erased, if it exists)",
    )
    parser.add_argument(
        "--pictures",
        choices=("kept", "web", "none"),
        default="kept",
        help="which pictures may be shown: those that are kept on this machine (default), "
        "also those on the web, or none",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"port of the page (default: {PORT})"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="write the result with the labels at hand, and serve no page",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    problem = _problem_of(options)
    if problem:
        sys.stderr.write(f"pairsieve: {problem}\n")
        return 2
    if not options.report and lacks("explore"):
        return 2
    from pairsieve.audit.labels import BadLabels
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.secret import BadSecret
    from pipeline.dataset.manifest import NoSuchDataset

    try:
        with _opened(options) as (sample, labels):
            return (
                _report(options, sample, labels)
                if options.report
                else _serve(options, sample, labels)
            )
    except (BadLabels, BadSecret, InUse, NoSuchDataset, NoTombstones) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2


def _problem_of(options: argparse.Namespace) -> str:
    """What is wrong with the options; empty where nothing is."""
    from pairsieve.storage.names import lies_in

    if options.labels < 1:
        return f"--labels {options.labels}: draw at least one row"
    if not 0 <= options.seed <= MAX_SEED:
        return f"--seed {options.seed}: give a whole number from 0 to {MAX_SEED}"
    if lies_in(_labels_path(options), options.dataset):
        return (
            f"labels would lie in the dataset ({_labels_path(options)}), which is published; name "
            "another --labels-file"
        )
    return ""


def _labels_path(options: argparse.Namespace) -> str:
    from pairsieve.storage import files

    name = f"{options.question}-{options.seed}.jsonl"
    return options.labels_file or files.join(options.work, "audit", name)


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[tuple[DrawnSample, LabelFile]]:
    """Yield the sample and its labels, locked so that nobody else labels at the same time.

    Raises BadLabels, InUse, NoSuchDataset.
    """
    from pairsieve.audit.labels import LabelFile
    from pairsieve.storage import files
    from pipeline.dataset.audit import draw
    from pipeline.dataset.writer import alone_in

    sample = draw(options.dataset, options.question, options.seed, options.labels, options.work)
    path = _labels_path(options)
    files.make_private_folder(path.rpartition("/")[0] or ".")
    with alone_in(f"{path}.lock"):
        yield sample, LabelFile(path, sample.name)


def _report(options: argparse.Namespace, sample: DrawnSample, labels: LabelFile) -> int:
    """Write the result into the dataset. Raises InUse, NoSuchDataset."""
    from pairsieve.records.manifest import MANIFEST
    from pairsieve.storage import files
    from pipeline.dataset.audit import write_result
    from pipeline.dataset.audit_rows import keep_installed

    result = sample.result(labels.labels)
    before = files.read_text(files.join(options.dataset, MANIFEST))
    write_result(options.dataset, sample, result)
    keep_installed(options.dataset, options.work, before)
    sys.stdout.writelines(f"{sentence}\n" for sentence in result.sentences())
    return 1 if result.most is None else 0


def _serve(options: argparse.Namespace, sample: DrawnSample, labels: LabelFile) -> int:
    """Serve the page until it is interrupted. Raises BadSecret, NoSuchDataset, NoTombstones."""
    from pairsieve.audit.page import make_app
    from pairsieve.explore.serve import Address, serve

    rows = _drawn_rows(options, sample)
    key = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        pictures = _pictures(options, sample, rows, stack)
        read = pictures.read if pictures else _no_picture
        app = make_app(sample.question.asked, _items(options, sample, rows), labels, read, key)
        sys.stderr.write(f"http://{HOST}:{options.port}/?key={key} - end it with Ctrl-C\n")
        serve(app, Address(HOST, options.port))
    sys.stdout.write(
        f"{len(labels.labels):,} of {len(rows):,} rows are labelled; the same command goes on, and "
        "--report writes the result\n"
    )
    return 0


def _drawn_rows(options: argparse.Namespace, sample: DrawnSample) -> dict[str, DrawnRow]:
    """The drawn rows, from the work directory. Raises BadSecret, NoSuchDataset, NoTombstones."""
    from pairsieve.erasure.tombstones import read_tombstones
    from pairsieve.storage import files
    from pairsieve.storage.secret import read_secret
    from pipeline.dataset.audit_rows import drawn_rows, without_erased
    from pipeline.orchestrate.publish import KEY_FILE

    secret = read_secret(options.key_file or files.join(options.work, KEY_FILE))
    rows = drawn_rows(options.dataset, options.work, secret, frozenset(sample.order))
    folder = options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    # A folder that was named must be there; the default one may not.
    if options.tombstones or files.exists(folder):
        return without_erased(rows, read_tombstones(folder))
    return rows


def _items(
    options: argparse.Namespace, sample: DrawnSample, rows: dict[str, DrawnRow]
) -> list[Item]:
    """What the page shows, in its order."""
    from pairsieve.audit.page import Item
    from pipeline.dataset.audit import published_captions
    from pipeline.dataset.audit_rows import caption_without_personal_data

    published = published_captions(options.dataset, sample.manifest, set(rows))
    items = []
    for row_id in sample.order:
        caption = published.get(row_id)
        if caption is None:
            caption = caption_without_personal_data(rows[row_id].caption)
        items.append(Item(row_id, caption))
    return items


def _pictures(
    options: argparse.Namespace, sample: DrawnSample, rows: dict[str, DrawnRow], stack: ExitStack
) -> Pictures | None:
    """The reader of pictures; None where none are wanted. Raises NoSuchDataset."""
    from pairsieve.images.processes import Limits, Processes
    from pipeline.dataset.audit_rows import Pictures, client_settings, web_pictures

    if options.pictures == "none":
        return None
    web = None
    if options.pictures == "web":
        web = stack.enter_context(web_pictures(client_settings(sample.manifest)))
    # One process: so it is known which picture has ended it.
    processes = Processes(1, Limits(wall_s=10.0))
    stack.callback(processes.close)
    max_bytes = int(sample.manifest.setting("fetch", "max_bytes", 0))
    return Pictures(rows, processes, max_bytes, web)


def _no_picture(_row_id: str) -> None:
    return None
