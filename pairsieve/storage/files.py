"""Reads, lists and writes files by path or URL.

Everything that fsspec reaches works: local folders, object stores, memory. Readers see a file whole
or not at all.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import uuid4

import fsspec

TEMPORARY = ".tmp"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
# What may sign a URL: user name and password, query, fragment.
_CREDENTIALS = re.compile(r"(?<=://)[^/?#@]*@|[?#].*", re.DOTALL)

Options = Mapping[str, Any]
"""Options that fsspec needs to reach files, such as `{anon: true}` for a public bucket."""

NO_OPTIONS: Options = {}


class Stream(Protocol):
    """The methods of a file that reading an archive needs."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


def filesystem(path: str, options: Options = NO_OPTIONS) -> tuple[Any, str]:
    """The fsspec filesystem of a path or URL, and the name that the path has there."""
    fs, name = fsspec.core.url_to_fs(path, **options)
    return fs, name


def join(folder: str, *names: str) -> str:
    """A path below a folder. Works for local paths and for URLs."""
    return "/".join([folder.rstrip("/"), *names])


def is_local(path: str) -> bool:
    """Whether a path is on a local disk, where a rename is atomic and cheap."""
    fs, _ = filesystem(path)
    # fsspec gives one protocol as text, several as a tuple.
    protocols = fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)
    return "file" in protocols


def expand(pattern: str, options: Options = NO_OPTIONS) -> list[str]:
    """The files that match a pattern, sorted, as paths or URLs that `open_read` accepts."""
    fs, name = filesystem(pattern, options)
    is_pattern = any(wildcard in name for wildcard in "*?[")
    if is_pattern:
        matches = fs.glob(name)
    elif fs.isfile(name):
        matches = [name]
    else:
        matches = []
    if not is_local(pattern):
        matches = [fs.unstrip_protocol(match) for match in matches]
    return sorted(matches)


def ukeys(paths: Iterable[str]) -> list[str]:
    """For each path a text that changes when a local file changes (its size or times).

    Empty for other files. Files in an object store are assumed not to change: to ask for 90,000 of
    them would take longer than a stage.
    """
    # To find the filesystem of 90,000 paths one by one would take seconds.
    local = fsspec.filesystem("file")
    keys = []
    for path in paths:
        protocol, _ = fsspec.core.split_protocol(path)
        is_on_disk = protocol is None or protocol in local.protocol
        key = ""
        if is_on_disk:
            plain_path = local._strip_protocol(path)
            key = str(local.ukey(plain_path))
        keys.append(key)
    return keys


def ukey(path: str) -> str:
    """What `ukeys` says of one path."""
    (key,) = ukeys([path])
    return key


def public_name(path: str) -> str:
    """The name of a file as published rows may show it.

    A local file is shown without its folders. A URL is shown without the credentials before its
    host and without its query (`X-Amz-Signature`, `sig`, ...): these give access to whoever reads
    them.
    """
    if is_local(path):
        return os.path.basename(path)
    return _CREDENTIALS.sub("", path)


@contextmanager
def open_read(path: str, options: Options = NO_OPTIONS) -> Iterator[IO[bytes]]:
    """Open a file as a seekable binary stream."""
    with fsspec.open(path, "rb", **options) as stream:
        yield stream


def sha256_of(path: str) -> str:
    """Compute the sha256 of a file in hex; the file may be larger than memory."""
    with open_read(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def read_range(byte_range: tuple[str, int, int], options: Options) -> bytes:
    """Read the bytes of one (path, start, end). The byte at `end` is not part of them."""
    path, start, end = byte_range
    fs, name = filesystem(path, options)
    return bytes(fs.cat_file(name, start, end))


def read_ranges(
    ranges: Sequence[tuple[str, int, int]], options: Options
) -> list[bytes | Exception]:
    """Read the bytes of each (path, start, end), or the exception that it raised.

    All paths must be of one filesystem. An object store is asked for all ranges at the same time.
    """
    first_path = ranges[0][0]
    fs, _ = filesystem(first_path, options)
    names = [filesystem(path, options)[1] for path, _, _ in ranges]
    starts = [start for _, start, _ in ranges]
    ends = [end for _, _, end in ranges]
    contents = fs.cat_ranges(names, starts, ends, on_error="return")
    return list(contents)


@contextmanager
def open_whole(path: str, private: bool = False, synced: bool = True) -> Iterator[IO[bytes]]:
    """Write a file that readers see whole or not at all. If the block raises, nothing is left.

    A local file gets a temporary name and is renamed at the end. An object store shows an object
    only once it is closed.

    private: on a local disk only the owner may read the file, from its first byte on, and enter the
    folders that are made for it. synced: on a local disk the file survives a power cut. Leave it
    out for a file that is of no use after one.
    """
    if is_local(path):
        with _open_local(path, private, synced) as stream:
            yield stream
    else:
        with _open_object(path) as stream:
            yield stream


@contextmanager
def _open_local(path: str, private: bool, synced: bool) -> Iterator[IO[bytes]]:
    fs, name = filesystem(path)
    folder = Path(name).parent
    temporary = f"{name}.{uuid4().hex}{TEMPORARY}"
    make_folder(folder, private)
    if private:
        # The file gets its permissions before its content.
        Path(temporary).touch(PRIVATE_FILE, exist_ok=False)
    stream = fs.open(temporary, "wb")
    try:
        yield stream
        if synced:
            stream.flush()
            os.fsync(stream.fileno())
        # A full disk may show only here.
        stream.close()
    except BaseException:
        with suppress(OSError):
            stream.close()
        with suppress(FileNotFoundError):
            os.remove(temporary)
        raise
    os.replace(temporary, name)
    if synced:
        sync_folder(folder)


@contextmanager
def _open_object(path: str) -> Iterator[IO[bytes]]:
    fs, name = filesystem(path)
    fs.makedirs(fs._parent(name), exist_ok=True)
    stream = fs.open(name, "wb")
    try:
        yield stream
        stream.close()
    except BaseException:
        # Not every store has multi-part uploads, which must be aborted.
        with suppress(AttributeError):
            stream.discard()
            # Otherwise fsspec ends the upload when the stream is garbage-collected.
            stream.closed = True
        raise


def make_folder(folder: Path, private: bool = False) -> None:
    """Make a local folder, and those above it. Folders that exist keep their permissions."""
    mode = PRIVATE_FOLDER if private else 0o777
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode, exist_ok=True)


def make_private_folder(path: str) -> None:
    """Make a folder that only its owner may enter. Does nothing in an object store."""
    if is_local(path):
        make_folder(Path(filesystem(path)[1]), private=True)


def sync_folder(folder: Path) -> None:
    """Make the file names in a local folder survive a power cut.

    fsync(2): syncing a file does not sync its name.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def leftovers(path: str) -> list[str]:
    """The temporary files in which killed writers wrote a file. Each may be cut off."""
    folder, _, name = path.rpartition("/")
    names = names_in(folder, TEMPORARY)
    return [join(folder, temporary) for temporary in names if temporary.startswith(f"{name}.")]


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files of killed writers. Nobody may be writing in the folder."""
    for name in names_in(folder, TEMPORARY):
        remove_file(join(folder, name))


def read_text(path: str, options: Options = NO_OPTIONS) -> str:
    """Read a whole UTF-8 file. It is gunzipped if its name ends in .gz."""
    fs, name = filesystem(path, options)
    # One request. An opened object is asked for its size first, and reading it fails (in s3fs) if
    # another process replaces it in between, as the holder of a lock does.
    content = bytes(fs.cat_file(name))
    if path.endswith(".gz"):
        content = gzip.decompress(content)
    return content.decode()


def read_texts(paths: Sequence[str]) -> list[str]:
    """Read whole UTF-8 files of one filesystem. An object store is asked for all at once."""
    fs, _ = filesystem(paths[0])
    names = [filesystem(path)[1] for path in paths]
    # Ranges from the first byte to the last: `cat` would take a bracket in a name for a pattern.
    contents = fs.cat_ranges(names, 0, None, on_error="raise")
    return [bytes(content).decode() for content in contents]


def write_text(path: str, text: str, synced: bool = True) -> None:
    """Write a whole UTF-8 file. `synced` is that of `open_whole`."""
    with open_whole(path, synced=synced) as stream:
        stream.write(text.encode())


def create(path: str, text: str) -> bool:
    """Write a small file unless it exists. Returns whether it was written.

    If several processes try at once, exactly one succeeds. An object store needs a conditional put
    for this.
    """
    fs, name = filesystem(path)
    fs.makedirs(fs._parent(name), exist_ok=True)
    try:
        fs.pipe_file(name, text.encode(), mode="create")
    except FileExistsError:
        return False
    return True


def exists(path: str) -> bool:
    """Whether a file or folder exists."""
    fs, name = filesystem(path)
    return bool(fs.exists(name))


def names_in(folder: str, suffix: str = "") -> list[str]:
    """The names in a folder that end in `suffix`, sorted; empty if the folder is missing."""
    fs, name = filesystem(folder)
    if not fs.exists(name):
        return []
    names = [os.path.basename(path) for path in fs.ls(name, detail=False)]
    return sorted(name for name in names if name.endswith(suffix))


def forget_listing(folder: str) -> None:
    """Drop the cached listing of a folder in a store, since other processes write there too."""
    fs, name = filesystem(folder)
    fs.invalidate_cache(name)


def files_below(folder: str) -> list[str]:
    """All files below a folder, as paths relative to it, sorted; empty if it is missing."""
    fs, name = filesystem(folder)
    if not fs.exists(name):
        return []
    prefix = name.rstrip("/") + "/"
    return sorted(str(path).removeprefix(prefix) for path in fs.find(name))


def remove_tree(folder: str) -> None:
    """Remove a folder and everything in it, or a file. Of a link only the link is removed.

    Does nothing if the path is missing.
    """
    fs, name = filesystem(folder)
    if is_local(folder) and Path(name).is_symlink():
        Path(name).unlink()
    elif fs.exists(name):
        fs.rm(name, recursive=True)


def replace_tree(source: str, target: str) -> None:
    """Move a folder to where another one may be, which is removed first.

    An object store has no folders; there the files are copied one by one.
    """
    remove_tree(target)
    fs, source_name = filesystem(source)
    _, target_name = filesystem(target)
    if is_local(source):
        target_parent = Path(target_name).parent
        make_folder(target_parent)
        Path(source_name).rename(target_name)
        sync_folder(target_parent)
        return
    for path in fs.find(source_name):
        below = path[len(source_name) :]
        fs.cp_file(path, target_name + below)
    fs.rm(source_name, recursive=True)


def write_private(path: str, text: str, synced: bool = True) -> None:
    """Write a UTF-8 file. On a local disk only its owner may read it.

    `synced` is that of `open_whole`.
    """
    with open_whole(path, private=True, synced=synced) as stream:
        stream.write(text.encode())


def move(source: str, target: str) -> None:
    """Rename a file within the same store.

    An object store cannot rename; there the file is copied, and the old one removed.
    """
    fs, source_name = filesystem(source)
    _, target_name = filesystem(target)
    if is_local(source):
        target_parent = Path(target_name).parent
        make_folder(target_parent)
        shutil.move(source_name, target_name)
        sync_folder(target_parent)
        return
    fs.cp_file(source_name, target_name)
    fs.rm_file(source_name)


def copy(source: str, target: str) -> None:
    """Copy a file. Readers see the whole copy or none."""
    with open_read(source) as stream, open_whole(target) as out:
        shutil.copyfileobj(stream, out)


def folders_in(folder: str) -> list[str]:
    """The names of the folders in a folder, sorted; empty if the folder is missing."""
    fs, name = filesystem(folder)
    if not fs.exists(name):
        return []
    entries = fs.ls(name, detail=True)
    paths = [entry["name"] for entry in entries if entry["type"] == "directory"]
    return sorted(os.path.basename(path.rstrip("/")) for path in paths)


def last_written(folder: str) -> float:
    """When the newest file below a folder was written, in seconds since 1970.

    0 if there is no file, or the store does not tell times.
    """
    fs, name = filesystem(folder)
    latest_s = 0.0
    for entry in fs.find(name, detail=True).values():
        # Local disks, S3 and Google Cloud Storage each call it differently.
        written = entry.get("mtime") or entry.get("LastModified") or entry.get("updated")
        if written:
            latest_s = max(latest_s, _seconds(written))
    return latest_s


def _seconds(time: Any) -> float:
    """Seconds since 1970 of a time that a store gives as ISO 8601 text, datetime or number."""
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return time.timestamp()
    return float(time)


def size_of(path: str, options: Options = NO_OPTIONS) -> int:
    """Bytes of a file; -1 if the file is missing, or a server does not tell its size."""
    fs, name = filesystem(path, options)
    try:
        size = fs.size(name)
    except FileNotFoundError:
        return -1
    return -1 if size is None else int(size)


def size_of_folder(folder: str) -> int:
    """Bytes of all files below a folder; 0 if it is missing."""
    fs, name = filesystem(folder)
    if not fs.exists(name):
        return 0
    return int(fs.du(name))


def local_parent(path: str) -> str:
    """The nearest folder that exists, among a local path and the folders above it."""
    absolute = Path(filesystem(path)[1]).absolute()
    candidates = (absolute, *absolute.parents)
    return str(next(folder for folder in candidates if folder.exists()))


def remove_file(path: str) -> None:
    """Remove a file. Does nothing if it is missing."""
    fs, name = filesystem(path)
    if fs.exists(name):
        fs.rm(name)
