"""Index one shard by itself, in a folder that any worker can make.

PIECE/words/             a tantivy index of its rows: captions, addresses, exact values
PIECE/pdq.npy ...        perceptual hashes
PIECE/vectors-ROW.faiss  vectors from this row on, a block a file, where some were published
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pairsieve.collector import collector_paused
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.search.hashes import ShardHashes
from pairsieve.search.rows import READ, batches, entry
from pairsieve.search.sources import Source, Vectors, read_vectors
from pairsieve.search.vectors import write_vectors
from pairsieve.search.words import HEAP_BYTES, document, open_words, row_id
from pairsieve.storage import files

WORDS = "words"


@dataclass(frozen=True)
class Shard:
    """A shard of a dataset, and the number under which an index stores it.

    `names` maps our column names to the dataset's own.
    """

    dataset: str
    source: Source
    number: int
    names: Mapping[str, str]

    @property
    def path(self) -> str:
        """The shard's file in the dataset, by which errors name it."""
        return self.source.path

    @property
    def piece(self) -> str:
        """The name of its piece's folder."""
        return piece_name(self.number)

    def read_vectors(self) -> Iterator[Vectors]:
        """Yield its vectors as they were published, in blocks (n, d)."""
        return read_vectors(self.dataset, self.source)


def piece_name(number: int) -> str:
    """Return the name of the folder of a shard's piece."""
    return f"{number:05d}"


def write_piece(shard: Shard, folder: Path) -> None:
    """Index a shard. What an earlier attempt left in the folder is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / WORDS).mkdir(parents=True)
    _write_rows(shard, folder)
    if shard.source.space:
        write_vectors(folder, shard.read_vectors())


def _write_rows(shard: Shard, folder: Path) -> None:
    """Write the words and hashes of all rows."""
    # One thread: workers are processes, and the rows of a segment keep their order.
    writer = open_words(str(folder / WORDS), make=True).writer(HEAP_BYTES, num_threads=1)
    hashes = ShardHashes()
    row_number = 0
    source = shard.source
    for batch in batches(files.join(shard.dataset, source.path), READ, shard.names):
        # Rows hold no cycles.
        with collector_paused():
            for row in batch.to_pylist():
                identity = row_id(shard.number, row_number)
                writer.add_document(document(identity, shard.number, entry(row, source.subset)))
                for name in PDQ_COLUMNS:
                    if row.get(name):
                        hashes.add(row_number, row[name])
                row_number += 1
    writer.commit()
    # Merging still changes files.
    writer.wait_merging_threads()
    hashes.write(folder)
