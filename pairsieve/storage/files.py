"""Files by URL: list, read, and put in place whole."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast
from uuid import uuid4

import fsspec

TEMPORARY = ".tmp"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
# user name and password; query and fragment
_SIGNED = re.compile(r"(?<=://)[^/?#@]*@|[?#].*", re.DOTALL)
Options = Mapping[str, Any]
"""What fsspec needs to reach files, as `{anon: true}` for a public bucket."""
NO_OPTIONS: Options = {}


class Stream(Protocol):
    """What reads of an archive need of a file."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


def filesystem(path: str, options: Options = NO_OPTIONS) -> tuple[Any, str]:
    """The filesystem of a path or URL, and the path as that filesystem names it."""
    fs, name = fsspec.core.url_to_fs(path, **options)
    return fs, name


def join(folder: str, *names: str) -> str:
    """A path below a folder, for local paths and URLs alike."""
    return "/".join([folder.rstrip("/"), *names])


def is_local(path: str) -> bool:
    """Whether rename is atomic and cheap there."""
    protocol = filesystem(path)[0].protocol
    return "file" in (protocol if isinstance(protocol, tuple) else (protocol,))


def expand(pattern: str, options: Options = NO_OPTIONS) -> list[str]:
    """The files that a pattern names, sorted, each as a path or URL that `open_read` takes."""
    fs, name = filesystem(pattern, options)
    found = fs.glob(name) if any(sign in name for sign in "*?[") else [name] * fs.isfile(name)
    return sorted(fs.unstrip_protocol(path) if not is_local(pattern) else path for path in found)


def ukey(path: str) -> str:
    """A mark that changes when a local file does (size and times).

    Files in a store are taken not to change under their name: asking for 90,000 of them would take
    longer than a stage.
    """
    fs, name = filesystem(path)
    return str(fs.ukey(name)) if is_local(path) else ""


def public_name(path: str) -> str:
    """A file's name as a published row may carry it: local files without their folders, URLs
    without what signs them.

    Credentials before the host and the query of a URL (`X-Amz-Signature`, `sig`, ...) let whoever
    reads them in.
    """
    return os.path.basename(path) if is_local(path) else _SIGNED.sub("", path)


@contextmanager
def open_read(path: str, options: Options = NO_OPTIONS) -> Iterator[IO[bytes]]:
    """A seekable binary stream."""
    with fsspec.open(path, "rb", **options) as stream:
        yield stream


def open_stream(path: str, options: Options) -> IO[bytes]:
    """A seekable binary stream that the caller closes."""
    fs, name = filesystem(path, options)
    return cast(IO[bytes], fs.open(name, "rb"))


def read_range(wanted: tuple[str, int, int], options: Options) -> bytes:
    """The bytes from start to end of one file."""
    path, start, end = wanted
    fs, name = filesystem(path, options)
    return bytes(fs.cat_file(name, start, end))


def read_ranges(
    ranges: Sequence[tuple[str, int, int]], options: Options
) -> list[bytes | Exception]:
    """The bytes from start to end of each (path, start, end), or what went wrong there; stores are
    asked at the same time.
    """
    fs, _ = filesystem(ranges[0][0], options)
    names = [filesystem(path, options)[1] for path, _, _ in ranges]
    found = fs.cat_ranges(
        names, [start for _, start, _ in ranges], [end for _, _, end in ranges], on_error="return"
    )
    return list(found)


@contextmanager
def open_whole(path: str, private: bool = False, synced: bool = True) -> Iterator[IO[bytes]]:
    """Write a file that readers see whole or not at all.

    Local files get a temporary name and a rename; an object store shows an object only when it is
    closed. Nothing is left behind when the block raises.

    private: on a local disk its owner alone may read it, from its first byte on, and folders that
    are made for it belong to the owner alone. synced: what is named survives a power cut (local
    disks). Leave it out for what is of no use then.
    """
    fs, name = filesystem(path)
    local = is_local(path)
    target = f"{name}.{uuid4().hex}{TEMPORARY}" if local else name
    if local:
        make_folder(Path(name).parent, private)
    else:
        fs.makedirs(fs._parent(name), exist_ok=True)
    if local and private:
        Path(target).touch(PRIVATE_FILE, exist_ok=False)  # its rights before its content
    stream = fs.open(target, "wb")
    try:
        yield stream
        if local and synced:
            stream.flush()
            os.fsync(stream.fileno())
        stream.close()  # a full disk may show only here
    except BaseException:
        _abandon(stream, target if local else None)
        raise
    if local:
        os.replace(target, name)
        if synced:
            sync_folder(Path(name).parent)


def make_folder(folder: Path, private: bool = False) -> None:
    """Make a local folder and those above it where they are missing; what is there keeps its
    rights.
    """
    missing = [at for at in (folder, *folder.parents) if not at.exists()]
    for at in reversed(missing):
        at.mkdir(PRIVATE_FOLDER if private else 0o777, exist_ok=True)


def make_private_folder(path: str) -> None:
    """A folder that its owner alone may enter, where it is not there yet and the filesystem knows
    owners.
    """
    if is_local(path):
        make_folder(Path(filesystem(path)[1]), private=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a local folder survive a power cut (fsync(2): a file's name is synced apart
    from it).
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _abandon(stream: Any, temporary: str | None) -> None:
    if temporary is None:
        with suppress(AttributeError):  # not every store has multi-part uploads to abort
            stream.discard()
            stream.closed = True  # else fsspec tries to end the upload when the stream is collected
        return
    with suppress(OSError):
        stream.close()
    with suppress(FileNotFoundError):
        os.remove(temporary)


def leftovers(path: str) -> list[str]:
    """What killed writers left of a file: its content up to where they were."""
    folder, _, name = path.rpartition("/")
    return [
        join(folder, found) for found in names_in(folder, TEMPORARY) if found.startswith(f"{name}.")
    ]


def remove_leftovers(folder: str) -> None:
    """Remove what killed writers left in a folder; nobody may be writing there."""
    for name in names_in(folder, TEMPORARY):
        remove_file(join(folder, name))


def read_text(path: str, options: Options = NO_OPTIONS) -> str:
    """The whole file as UTF-8, gunzipped where its name ends in .gz."""
    with open_read(path, options) as stream:
        content = stream.read()
    return (gzip.decompress(content) if path.endswith(".gz") else content).decode()


def write_text(path: str, text: str, synced: bool = True) -> None:
    """Put a whole UTF-8 file in place; `synced` as for `open_whole`."""
    with open_whole(path, synced=synced) as stream:
        stream.write(text.encode())


def create(path: str, text: str) -> bool:
    """Put a small file in place unless there is one; whether it was put there.

    Of several who try at once one alone succeeds: in an object store by a conditional put.
    """
    fs, name = filesystem(path)
    fs.makedirs(fs._parent(name), exist_ok=True)
    try:
        fs.pipe_file(name, text.encode(), mode="create")
    except FileExistsError:
        return False
    return True


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    fs, name = filesystem(path)
    return bool(fs.exists(name))


def names_in(folder: str, suffix: str = "") -> list[str]:
    """The names of the files in a folder, sorted; empty where the folder is missing."""
    fs, name = filesystem(folder)
    if not fs.exists(name):
        return []
    return sorted(
        base
        for base in (os.path.basename(path) for path in fs.ls(name, detail=False))
        if base.endswith(suffix)
    )


def forget_listing(folder: str) -> None:
    """Have a store's folder listed anew, since others write there too."""
    fs, name = filesystem(folder)
    fs.invalidate_cache(name)


def files_below(folder: str) -> list[str]:
    """The files in a folder and in all folders below it, as paths from there, sorted; empty where
    it is missing.
    """
    fs, name = filesystem(folder)
    start = name.rstrip("/") + "/"
    return (
        sorted(str(path).removeprefix(start) for path in fs.find(name)) if fs.exists(name) else []
    )


def remove_tree(folder: str) -> None:
    """Remove a folder with all that is in it, or a file, if it is there; of a link the link
    alone.
    """
    fs, name = filesystem(folder)
    if is_local(folder) and Path(name).is_symlink():
        Path(name).unlink()
    elif fs.exists(name):
        fs.rm(name, recursive=True)


def replace_tree(source: str, target: str) -> None:
    """Put a folder where another one may be; an object store has no folders, so there its files are
    copied one by one.
    """
    remove_tree(target)
    fs, name = filesystem(source)
    other = filesystem(target)[1]
    if is_local(source):
        make_folder(Path(other).parent)
        Path(name).rename(other)
        sync_folder(Path(other).parent)
        return
    for path in fs.find(name):
        fs.cp_file(path, other + path[len(name) :])
    fs.rm(name, recursive=True)


def write_private(path: str, text: str) -> None:
    """Put a file in place that its owner alone may read, where the filesystem knows owners."""
    with open_whole(path, private=True) as stream:
        stream.write(text.encode())


def move(source: str, target: str) -> None:
    """Give a file another name in the same store: a copy and a removal where the store has no
    renaming of its own.
    """
    fs, name = filesystem(source)
    other = filesystem(target)[1]
    if is_local(source):
        make_folder(Path(other).parent)
        shutil.move(name, other)
        sync_folder(Path(other).parent)
        return
    fs.cp_file(name, other)
    fs.rm_file(name)


def copy(source: str, target: str) -> None:
    """Put a copy in place whole."""
    with open_read(source) as stream, open_whole(target) as out:
        shutil.copyfileobj(stream, out)


def folders_in(folder: str) -> list[str]:
    """The names of the folders in a folder, sorted; empty where the folder is missing."""
    fs, name = filesystem(folder)
    if not fs.exists(name):
        return []
    return sorted(
        os.path.basename(found["name"].rstrip("/"))
        for found in fs.ls(name, detail=True)
        if found["type"] == "directory"
    )


def last_written(folder: str) -> float:
    """When a file below a folder was written last, in seconds since 1970; 0 where the store does
    not say, or there is none.
    """
    fs, name = filesystem(folder)
    found = fs.find(name, detail=True).values()
    times = [one.get("mtime") or one.get("LastModified") or one.get("updated") for one in found]
    return max((_seconds(at) for at in times if at), default=0.0)


def _seconds(at: Any) -> float:
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return float(at.timestamp()) if isinstance(at, datetime) else float(at)


def size_of(path: str, options: Options = NO_OPTIONS) -> int:
    """Bytes of a file, or -1 where there is none, or where a server does not say."""
    fs, name = filesystem(path, options)
    size = fs.size(name) if fs.exists(name) else None
    return -1 if size is None else int(size)


def size_of_folder(folder: str) -> int:
    """Bytes of all files below a folder; 0 where it is missing."""
    fs, name = filesystem(folder)
    return int(fs.du(name)) if fs.exists(name) else 0


def local_parent(path: str) -> str:
    """The nearest folder above a local path that is there."""
    at = Path(filesystem(path)[1]).absolute()
    return str(next(folder for folder in (at, *at.parents) if folder.exists()))


def remove_file(path: str) -> None:
    """Remove a file, if it is there."""
    fs, name = filesystem(path)
    if fs.exists(name):
        fs.rm(name)
