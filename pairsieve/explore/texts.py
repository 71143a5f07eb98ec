"""The texts of the search page in the visitor's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

LANGUAGES = ("en", "de", "es", "fr", "pt")
MAX_ACCEPTED = 20  # languages that are read from one Accept-Language header


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, name: str, *values: object) -> str:
        """Return a text with its values filled in."""
        return self.texts[name].format(*values)


@lru_cache(1)
def _read_texts() -> Mapping[str, Mapping[str, str]]:
    path = files("pairsieve.explore").joinpath("words.yaml")
    texts: Mapping[str, Mapping[str, str]] = yaml.safe_load(path.read_text("utf-8"))
    return texts


def texts_for(chosen: str, accept_language: str) -> Texts:
    """Return the texts of the visitor's language.

    It is the one that the visitor chose, else the first one of the Accept-Language header that
    the page has, else English.
    """
    parts = accept_language.split(",")[:MAX_ACCEPTED]
    accepted = [part.partition(";")[0].strip()[:2].lower() for part in parts]
    candidates = [chosen, *accepted]
    known = [name for name in candidates if name in LANGUAGES]
    language = known[0] if known else LANGUAGES[0]
    return Texts(language, _read_texts()[language])
