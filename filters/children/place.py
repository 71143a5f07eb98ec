"""Detect URLs of places for children: the site of a school, a folder of class photos."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import ClassVar, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import yaml

from filters.children.reading import MAX_CHARS
from filters.detector import Columns, Needs, Observe
from filters.medical.page import host_checker
from pairsieve.records.pair import Evidence, Pair
from pairsieve.web.places import MAX_HOST_CHARS
from pairsieve.web.urls import parts_of

MAX_PATH_CHARS = 1_000  # of a URL's path that are read
REPEATED = 0.6  # share of a file name's words in the caption, from which on it repeats the caption
_WORD = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[a-z]{2,}")
_SUFFIX = re.compile(r"\.[a-z0-9]{2,5}$")


class Cues(NamedTuple):
    """What in URLs says that they are about children: cues that are enough alone, and weak ones."""

    clear: tuple[str, ...]
    weak: tuple[str, ...]


@dataclass(frozen=True)
class ChildrenUrls:
    """Cues of children in the URLs of the page and of the image: hosts, folders and file names.

    - `child_urls`: cues that are enough alone, such as `kindergarten`.
    - `child_urls_weak`: others, such as the folder of a year of pupils.

    A file name that repeats the caption is no cue: it is the same evidence. `extra_hosts` are hosts
    of which all pictures count, with all hosts below them.
    """

    name: ClassVar[str] = "children_urls"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {
        "child_urls": pa.list_(pa.string()),
        "child_urls_weak": pa.list_(pa.string()),
    }

    extra_hosts: tuple[str, ...] = ()

    def load(self) -> Observe:
        is_extra = host_checker(self.extra_hosts)

        def observe(pair: Pair) -> Evidence:
            urls = (pair.page_url, pair.url)
            cues = find_cues(urls, pair.caption)
            extra = ("extra_host",) if any(map(is_extra, urls)) else ()
            return {"child_urls": (*cues.clear, *extra), "child_urls_weak": cues.weak}

        return observe


def find_cues(urls: Iterable[str], caption: str = "") -> Cues:
    """The cues in some URLs, without those of file names that repeat the caption."""
    clear: set[str] = set()
    weak: set[str] = set()
    in_caption = frozenset(_WORD.findall(plain(caption[:MAX_CHARS])))
    for url in urls:
        parts = parts_of(url)
        clear |= _cues_of_host(plain(parts.host[-MAX_HOST_CHARS:]))
        path = plain(unquote(parts.path[:MAX_PATH_CHARS]))
        if not _may_have_cues(path):
            continue
        segments = path.split("/")
        for number, segment in enumerate(segments):
            is_file = number == len(segments) - 1
            text = _SUFFIX.sub("", segment) if is_file else segment
            words = _WORD.findall(text)
            if is_file and _repeats(words, in_caption):
                continue
            cues = _cues_of_words(words)
            clear.update(cues.clear)
            weak.update(cues.weak)
    return Cues(tuple(sorted(clear)), tuple(sorted(weak - clear)))


def plain(text: str) -> str:
    """A text in lower case and without accents.

    Takes quadratic time in runs of combining marks, which NFKD sorts: give it bounded texts.
    """
    if text.isascii():  # as nearly all URLs are
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ł", "l"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


@lru_cache(1)
def _lists() -> Mapping[str, tuple[str, ...]]:
    text = files("filters.children").joinpath("places.yaml").read_text("utf-8")
    lists: Mapping[str, str] = yaml.safe_load(text)
    return {
        name: tuple(entry.strip() for entry in entries.split(","))
        for name, entries in lists.items()
    }


@lru_cache(1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], frozenset[str]]:
    """What matches `paths` and `classes` in the words of a segment with blanks between; `not`."""
    lists = _lists()
    paths = "|".join(sorted(map(re.escape, lists["paths"]), key=len, reverse=True))
    classes = "|".join(lists["classes"])
    return (
        re.compile(rf"\b(?:{paths})\b"),
        # "class 3b", "2nd grade", "ce1"
        re.compile(
            rf"\b(?:(?:{classes}) ?(?:1[0-3]|[1-9])(?: ?(?P<letter>[a-e]))?"
            rf"|(?:1[0-3]|[1-9])(?:st|nd|rd|th) (?:grade|class))\b"
        ),
        frozenset(lists["not"]),
    )


@lru_cache(1 << 13)  # the pages of a site share its host
def _cues_of_host(host: str) -> frozenset[str]:
    lists = _lists()
    labels = host.split(".")
    words = host.replace("-", ".").split(".")
    # the ends of domains are no names of sites, but "sch.uk" is
    names = [label.replace("-", "") for label in labels[:-1]]
    cues = set(lists["host_labels"]) & set(labels[1:])
    cues |= set(lists["host_words"]) & set(words[:-1])
    for end in lists["host_ends"]:
        if any(name.endswith(end) and name != end for name in names):
            cues.add(end)
    for part in lists["host_parts"]:
        if any(part in name for name in names):
            cues.add(part)
    return frozenset(cues)


def _may_have_cues(path: str) -> bool:
    """Whether a folder or file name of a path may have cues. Most paths have none."""
    paths, classes, _ = _patterns()
    # In all words of the path together stand those of each name, one behind the other.
    joined = " ".join(_WORD.findall(path))
    return bool(paths.search(joined) or classes.search(joined))


def _cues_of_words(words: list[str]) -> Cues:
    """The cues in the words of a folder or file name."""
    paths, classes, not_about_children = _patterns()
    if not words or not not_about_children.isdisjoint(words):
        return Cues((), ())
    joined = " ".join(words)
    clear = {match[0] for match in paths.finditer(joined)}
    weak: set[str] = set()
    for match in classes.finditer(joined):
        (clear if match["letter"] else weak).add("class")
    return Cues(tuple(clear), tuple(weak - clear))


def _repeats(words: list[str], in_caption: frozenset[str]) -> bool:
    """Whether most words of a file name stand in the caption."""
    letters = [word for word in words if _LETTERS.fullmatch(word)]
    repeated = [word for word in letters if word in in_caption]
    return bool(letters) and len(repeated) >= REPEATED * len(letters)
