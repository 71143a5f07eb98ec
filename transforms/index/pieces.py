"""Makes the pieces of an index where all workers can write. Nothing here imports Beam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pairsieve.records.outcome import Counted
from pairsieve.search.piece import Shard, write_piece
from pairsieve.storage import files
from transforms.plumbing.shard_work import ShardWork


def index_work(folder: str) -> ShardWork:
    """Make the piece of each shard, files below `folder`. There is no shuffle."""
    return ShardWork("Index", folder, make=partial(make_indexing, folder))


def make_indexing(folder: str) -> Callable[[Shard], Iterator[Counted]]:
    """The function that indexes one shard, and puts its piece into `folder`."""
    return partial(_index, folder=folder)


def _index(shard: Shard, folder: str) -> Iterator[Counted]:
    if files.is_local(folder):
        write_piece(shard, _local(folder) / shard.piece)
    else:
        # tantivy and faiss write to a disk only.
        with TemporaryDirectory() as name:
            piece = Path(name) / shard.piece
            write_piece(shard, piece)
            _copy_folder(str(piece), files.join(folder, shard.piece))
    yield Counted("file", "kept")


def fetch_pieces(folder: str, shards: Sequence[Shard], target: Path) -> None:
    """Bring the pieces that workers have put into `folder` to the local folder `target`.

    They are moved where both are on one disk, and else copied.
    """
    for shard in shards:
        piece = target / shard.piece
        files.remove_tree(str(piece))
        if files.is_local(folder):
            files.move(str(_local(folder) / shard.piece), str(piece))
        else:
            _copy_folder(files.join(folder, shard.piece), str(piece))


def _copy_folder(source: str, target: str) -> None:
    for name in files.files_below(source):
        files.copy(files.join(source, name), files.join(target, name))


def _local(folder: str) -> Path:
    _, path = files.filesystem(folder)
    return Path(path)
