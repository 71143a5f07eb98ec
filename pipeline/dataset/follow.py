"""Takes rows that were erased from a dataset out of a copy of it, as its feed tells.

1. The whole feed is checked: signatures, sequence, and that it goes on from what this copy has
   seen. Nothing is changed by a feed that fails.
2. Each group of files that belong together is searched, and changed at once
   (`pairsieve/copies/change.py`). All entries are applied each time: a copy may have grown by rows
   of an older version.
3. A group that was changed is searched again. Nothing may match.
4. The copy remembers the last entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import aiohttp
import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.copies import change
from pairsieve.copies.erased import Erased, erased_of
from pairsieve.copies.layout import Group, layout_of
from pairsieve.copies.take_out import Copy, Outcome, change_of
from pairsieve.erasure.feed import (
    FEED,
    BadFeed,
    Entry,
    FeedPosition,
    check_follows,
    check_tokens_key,
    parse_public_key,
    read_feed,
)
from pairsieve.erasure.tombstones import Key
from pairsieve.records.manifest import (
    MANIFEST,
    BadManifest,
    ListedFile,
    Manifest,
    is_from_pairsieve,
)
from pairsieve.storage import files
from pairsieve.storage.secret import read_secret
from pairsieve.storage.shards import DELTAS
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.pages import PAGES, write_pages
from pipeline.dataset.writer import only_writer

POSITION_FILE = ".pairsieve-followed.json"
"""In the copy: the last entry that was applied to it."""
MAX_FEED_BYTES = 100 << 20
"""An erasure an hour for 15 years, at 700 bytes each. Whoever serves a feed may be hostile."""
UNKNOWN_FILE = "nothing is known of files of this kind"


class StillThere(RuntimeError):
    """Rows that should be gone were found again in a copy."""


@dataclass(frozen=True)
class Source:
    """Where a feed is, and what its publisher gave to those who hold copies.

    `feed`: the dataset, or its folder `erasures/`. `public_key`: 64 hex digits, or a file of them.
    `tokens_key`: the file `recipients.key`. `at_least`: how many entries the publisher says there
    are.
    """

    feed: str
    public_key: str
    tokens_key: str
    at_least: int = 0


@dataclass(frozen=True)
class Followed:
    """The entries of the feed that were applied, and what became of the copy."""

    entries: list[Entry]
    outcome: Outcome


def follow(copy: str, source: Source, dry_run: bool = False) -> Followed:
    """Take what a feed names out of a copy.

    Raises BadFeed, BadSecret, NoSuchDataset, NotOurs, Damaged, InUse, StillThere.
    """
    if not files.exists(copy):
        raise NoSuchDataset(f"{copy} is not there; name the folder that holds the copy")
    public_key = _public_key(source.public_key)
    key = Key("", read_secret(source.tokens_key))
    folder, entries = _read_entries(source, public_key)
    check_tokens_key(entries, key)
    erased = erased_of(key, [_delta(folder, entry) for entry in entries])
    if dry_run:
        check_follows(entries, public_key, _position_of(copy))
        return Followed(entries, _look(copy, erased))
    with only_writer(copy):
        change.recover(copy)
        check_follows(entries, public_key, _position_of(copy))
        outcome = _take_out(copy, erased)
        if entries:
            _finish_manifest(copy, entries[-1].version, outcome)
            # Last: a command that was cut off before this applies all entries again.
            position = FeedPosition(public_key, entries[-1].sequence, entries[-1].digest)
            files.write_text(files.join(copy, POSITION_FILE), json.dumps(asdict(position)) + "\n")
    return Followed(entries, outcome)


def _public_key(given: str) -> str:
    """The key that was given as digits or as a file. Raises BadFeed."""
    text = files.read_text(given) if files.exists(given) else given
    return parse_public_key(text)


def _read_entries(source: Source, public_key: str) -> tuple[str, list[Entry]]:
    """The folder of a feed, and its entries. Raises BadFeed."""
    for folder in (source.feed, files.join(source.feed, DELTAS)):
        content = _download(folder, FEED, MAX_FEED_BYTES)
        if content is not None:
            entries = read_feed(_text(content), public_key)
            break
    else:
        raise BadFeed(f"{files.public_name(source.feed)} holds no {FEED}; name a dataset")
    if len(entries) < source.at_least:
        raise BadFeed(
            f"the feed has {len(entries)} entries, and the publisher says that there are "
            f"{source.at_least}: its end was cut off, or it is an old one"
        )
    return folder, entries


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadFeed(f"{FEED} is no text; it is damaged") from None


def _download(folder: str, name: str, max_bytes: int) -> bytes | None:
    """A file beside the feed; None where it is missing. Raises BadFeed, also for a longer file."""
    path = files.join(folder, name)
    try:
        if not files.exists(path):
            return None
        with files.open_read(path) as stream:
            # One byte more tells a longer file without reading all of it.
            content = bytes(stream.read(max_bytes + 1))
    except (OSError, aiohttp.ClientError) as error:
        raise BadFeed(
            f"{files.public_name(path)} cannot be read ({type(error).__name__}); try again later"
        ) from None
    if len(content) > max_bytes:
        raise BadFeed(f"{files.public_name(path)} is longer than {max_bytes} bytes")
    return content


def _delta(folder: str, entry: Entry) -> pa.Table:
    """The list of erased rows that an entry names. Raises BadFeed."""
    content = _download(folder, entry.delta, entry.bytes)
    if content is None or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BadFeed(f"{entry.delta} is missing, or is not the list that was signed")
    return pq.read_table(pa.BufferReader(content))


def _position_of(copy: str) -> FeedPosition | None:
    """The last entry that a copy has followed; None before the first time. Raises BadFeed."""
    path = files.join(copy, POSITION_FILE)
    if not files.exists(path):
        return None
    try:
        return FeedPosition(**json.loads(files.read_text(path)))
    except (ValueError, TypeError):
        raise BadFeed(
            f"{path} is damaged, and does not say which entries this copy has seen; remove it, "
            "and give --at-least with the number of entries that the publisher names"
        ) from None


def _manifest(copy: str) -> Manifest | None:
    """The manifest of a copy that is a dataset of ours. Raises NoSuchDataset."""
    path = files.join(copy, MANIFEST)
    try:
        if not files.exists(path) or not is_from_pairsieve(files.read_text(path)):
            return None
    except (BadManifest, UnicodeDecodeError):
        # A file of that name may be anybody's; the reader below says what is wrong with ours.
        return None
    return read_manifest(copy)


def _look(copy: str, erased: Erased) -> Outcome:
    """Counts of what would be taken out, and the files that could not be reached."""
    outcome = Outcome()
    manifest = _manifest(copy)
    listed = manifest.by_path if manifest else {}
    place = Copy(copy, erased, listed)
    for group in _groups(copy, outcome):
        change_of(place, group, outcome)
    return outcome


def _groups(copy: str, outcome: Outcome) -> list[Group]:
    """The groups of files of a copy. Files that belong to none are added to the outcome."""
    # The pages of a dataset are written anew at the end.
    pages = PAGES if _manifest(copy) else ()
    names = [
        name
        for name in files.files_below(copy)
        if not name.startswith(f"{change.STAGING}/") and name not in pages
    ]
    linked = _links(copy, names)
    for name in linked:
        outcome.unreached[name] = "it is a link; follow the folder that it leads to"
    layout = layout_of(name for name in names if name not in linked)
    outcome.unreached.update(dict.fromkeys(layout.others, UNKNOWN_FILE))
    return layout.groups


def _links(copy: str, names: list[str]) -> set[str]:
    """The files that are symbolic links or lie below one: they may belong to somebody else."""
    if not files.is_local(copy):
        return set()
    root = Path(files.filesystem(copy)[1]).resolve()
    return {name for name in names if (root / name).resolve() != root / name}


def _take_out(copy: str, erased: Erased) -> Outcome:
    """Change one group after another."""
    outcome = Outcome()
    for group in _groups(copy, outcome):
        # Read for each group: changing the group before may have put a new one in place.
        manifest = _manifest(copy)
        listed = manifest.by_path if manifest else {}
        place = Copy(copy, erased, listed)
        changed = change_of(place, group, outcome)
        if not changed.written and not changed.removed:
            continue
        change.stage(copy, changed.written)
        moved = list(changed.written)
        if manifest and set(moved) & listed.keys():
            _stage_manifest(copy, manifest, moved, outcome.rows)
            moved.append(MANIFEST)
        change.commit(copy, moved, changed.removed)
        _check_gone(place, group, set(changed.removed))
    return outcome


def _stage_manifest(
    copy: str, manifest: Manifest, moved: list[str], rows: Mapping[str, int]
) -> None:
    """Write the manifest that lists the new files."""
    listed = manifest.by_path
    for path in moved:
        if path in listed:
            with files.open_read(files.join(copy, change.STAGING, path)) as stream:
                content = stream.read()
            digest = hashlib.sha256(content).hexdigest()
            listed[path] = ListedFile(path, rows[path], len(content), digest, listed[path].extra)
    text = replace(manifest, files=tuple(listed.values())).text()
    files.write_text(files.join(copy, change.STAGING, MANIFEST), text)


def _check_gone(place: Copy, group: Group, removed: set[str]) -> None:
    """Search a group again. Raises StillThere."""
    left = replace(group, loose=[path for path in group.loose if path not in removed])
    again = change_of(place, left, Outcome())
    if again.written or again.removed:
        raise StillThere(
            f"{group.table or group.archives or 'a folder'}: erased rows were found again; do not "
            "use this copy"
        )


def _finish_manifest(copy: str, version: int, outcome: Outcome) -> None:
    """Write the pages of a copy with a manifest anew, and its version last."""
    manifest = _manifest(copy)
    if manifest is None or manifest.version >= version:
        return
    if all(files.exists(files.join(copy, listed.path)) for listed in manifest.files):
        write_pages(copy, replace(manifest, version=version))
    else:
        # They name domains and numbers, and cannot be made anew from a part of the dataset.
        why = "it tells of the version that was copied; get the new one"
        outcome.unreached.update(dict.fromkeys(PAGES, why))
    files.write_text(files.join(copy, MANIFEST), replace(manifest, version=version).text())


def accepted(outcome: Outcome, patterns: list[str]) -> Outcome:
    """The outcome without the unreached files that a person has dealt with, by --accept."""
    left = {
        path: why
        for path, why in outcome.unreached.items()
        if not any(fnmatch(path, pattern) for pattern in patterns)
    }
    return replace(outcome, unreached=left)
