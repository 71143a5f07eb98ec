"""The rule on opt-out registries: what they name is neither requested nor published."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from filters.detector import MissingModel
from filters.rule import Action, Decision, Readable
from pairsieve.erasure.list_file import UnreadableList
from pairsieve.erasure.opt_outs import OptOutKind, OptOuts, read_opt_outs

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptOutRegistries:
    """Drop what is on an opt-out registry.

    An image is matched by its URL, by the URL of its page, by the URL that it was served from, and
    by its bytes.

    - `files`: path -> auto, domains, urls, accounts or hashes (see pairsieve/erasure/opt_outs.py).
    - `skip_unreadable`: log a line that cannot be read and go on. By default such a line stops the
      run, because it may be somebody's opt-out.
    """

    name: ClassVar[str] = "opt_outs"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    files: Mapping[str, OptOutKind]
    skip_unreadable: bool = False

    @cached_property
    def _opt_outs_and_skipped(self) -> tuple[OptOuts, list[str]]:
        """The opt-outs, and a message for each line that was skipped; read once."""
        return read_opt_outs(self.files, self.skip_unreadable)

    def prepare(self) -> str:
        """Read the registries; returns a digest of what they name in hex.

        Raises MissingModel when one cannot be read.
        """
        return self._content_digest

    @cached_property
    def _content_digest(self) -> str:
        try:
            opt_outs, skipped = self._opt_outs_and_skipped
        except UnreadableList as error:
            raise MissingModel(str(error)) from None
        for message in skipped:
            LOGGER.warning("opt_outs: %s; the line is skipped", message)
        digest = hashlib.sha256()
        for kind, values in sorted(opt_outs.known.items()):
            for value in sorted(values):
                digest.update(f"{kind} {value}\n".encode())
        return digest.hexdigest()

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """At most one decision for each way in which a registry can name an image."""
        opt_outs, _ = self._opt_outs_and_skipped
        if opt_outs.match_picture(evidence.get("md5"), evidence.get("sha256")):
            yield Decision(Action.DROP, "opt_out_picture")
        urls = (evidence["url"], evidence["page_url"], evidence.get("final_url"))
        matches = {opt_outs.match_url(url) for url in urls if url}
        for kind in sorted(kind for kind in matches if kind):
            yield Decision(Action.DROP, f"opt_out_{kind}")
