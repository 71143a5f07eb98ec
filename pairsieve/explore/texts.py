"""What the page says, in the visitor's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

LANGUAGES = ("en", "de", "es", "fr", "pt")
MOST_ACCEPTED = 20


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, name: str, *values: object) -> str:
        """A text with its values filled in."""
        return self.texts[name].format(*values)


@lru_cache(1)
def _all() -> Mapping[str, Mapping[str, str]]:
    read: Mapping[str, Mapping[str, str]] = yaml.safe_load(
        files("pairsieve.explore").joinpath("words.yaml").read_text("utf-8")
    )
    return read


def texts_for(asked: str, accepted: str) -> Texts:
    """Those of the language that is asked for, or of the first of Accept-Language that there is, or
    English.
    """
    wanted = [
        asked,
        *(
            part.partition(";")[0].strip()[:2].lower()
            for part in accepted.split(",")[:MOST_ACCEPTED]
        ),
    ]
    language = next((name for name in wanted if name in LANGUAGES), LANGUAGES[0])
    return Texts(language, _all()[language])
