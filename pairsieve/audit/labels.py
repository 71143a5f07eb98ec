"""The file of labels: private, one JSON object a line, written to the disk label by label.

The first line names the sample. Later lines are {"row": ID, "label": "yes"} or {"undo": ID}. The id
of a row is its published key, or its keyed hash of the ledger: neither leads to a caption.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pairsieve.storage import files

Label = Literal["yes", "no", "unsure"]
LABELS: tuple[Label, ...] = get_args(Label)


class BadLabels(ValueError):
    """A file of labels is damaged or of another sample; the message says what to do."""


@dataclass(frozen=True)
class SampleName:
    """What a sample depends on, so that the same values draw the same rows.

    `dataset` is a digest of the files of the dataset, and `rows` one of the drawn rows.
    """

    question: str
    seed: int
    labels: int
    version: int
    dataset: str
    rows: str


class LabelFile:
    """The labels of one sample. Every change is on the disk before the method returns.

    `labels` is row id -> label, in the order in which they were given.
    """

    def __init__(self, path: str, name: SampleName) -> None:
        """Open the file, or make it. Raises BadLabels."""
        if not files.is_local(path):
            raise BadLabels(
                f"{path}: labels are appended to a file, which a store cannot do; name a local "
                "file with --labels-file"
            )
        self.path = Path(files.filesystem(path)[1])
        self.labels: dict[str, Label] = {}
        if self.path.exists():
            self._read(name)
        else:
            files.make_folder(self.path.parent, private=True)
            self._append(asdict(name))

    def add(self, row_id: str, label: Label) -> None:
        """Add the label of a row that has none yet."""
        self._append({"row": row_id, "label": label})
        self.labels[row_id] = label

    def undo(self) -> None:
        """Take the last label back; does nothing where there is none."""
        if self.labels:
            row_id = next(reversed(self.labels))
            self._append({"undo": row_id})
            del self.labels[row_id]

    def _append(self, entry: Mapping[str, Any]) -> None:
        is_new = not self.path.exists()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        handle = os.open(self.path, flags, files.PRIVATE_FILE)
        try:
            os.write(handle, (json.dumps(entry) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            files.sync_folder(self.path.parent)

    def _read(self, name: SampleName) -> None:
        content = self.path.read_bytes()
        # A process that was killed while it wrote leaves a line without an end.
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            os.truncate(self.path, 0)
            self._append(asdict(name))
            return
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        head, *lines = whole.splitlines()
        self._check_head(head, name)
        for number, line in enumerate(lines, start=2):
            try:
                self._replay(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BadLabels(
                    f"{self.path}, line {number}: this is no label. Get the file back from a copy, "
                    "or move it away to label anew"
                ) from None

    def _check_head(self, head: bytes, name: SampleName) -> None:
        """Raises BadLabels where the file is of another sample."""
        try:
            there = json.loads(head)
        except ValueError:
            there = None
        wanted = asdict(name)
        if there == wanted:
            return
        if not isinstance(there, dict) or set(there) != set(wanted):
            raise BadLabels(f"{self.path} is no file of labels; name another with --labels-file")
        changed = next(key for key in wanted if there[key] != wanted[key])
        raise BadLabels(
            f"{self.path} has labels of another sample: {_CHANGES[changed]}. Labels hold for the "
            "rows that they were given for. To draw a new sample, give another --seed or "
            "--labels-file; to go on with this one, use what it was drawn with"
        )

    def _replay(self, entry: Mapping[str, Any]) -> None:
        if "undo" in entry:
            del self.labels[entry["undo"]]
            return
        row_id, label = str(entry["row"]), entry["label"]
        if label not in LABELS:
            raise ValueError(label)
        self.labels[row_id] = label


_CHANGES: Mapping[str, str] = {
    "question": "another question was asked",
    "seed": "it was drawn with another --seed",
    "labels": "it was drawn with another number of --labels",
    "version": "it was drawn from another version of the dataset",
    "dataset": "the dataset has changed since",
    "rows": "the drawn rows differ",
}
"""What differs in the name of a sample -> words for it."""
