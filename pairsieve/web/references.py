"""Which of the references of an `<img>` to take: the largest picture, not what stands in for it.

`sizes` and the widths in `media` are not looked at: they say what a browser window needs, and the
largest candidate is the picture at its best. What is for small windows, for paper or for dark pages
alone comes last, as do formats that not every browser shows. Attributes of lazy loaders are known
by their values, which are URLs of pictures; names of attributes only say what a value is not (the
picture of a hover, a link). What is unlike a picture (`data-src` on a page's template, JSON) is
passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import itemgetter
from typing import Literal

from selectolax.lexbor import LexborNode

from pairsieve.web.picture_urls import (
    is_drawing,
    is_gif,
    is_of_other_format,
    is_smaller,
    is_source_url,
    is_stand_in,
    is_template,
    names_picture,
    says_nothing,
    width_in,
)
from pairsieve.web.srcset import candidates

Attribute = Literal["src", "srcset", "picture", "lazy"]
Kind = Literal["large source", "source", "loose source", "other"]
"""What an attribute may name: a source of the picture, as a URL of any form, or, with a loose name
beside a picture in src and with any other name, a URL that ends like a picture's.
"""

PICTURE_TYPES = ("", "image/jpeg", "image/jpg", "image/png", "image/webp")
MAX_VALUE_CHARS = 10_000  # of an attribute that may name a picture
WHITE_SPACE = " \t\n\f\r"  # URL Standard: blanks of other writing systems belong to a URL
KNOWN_NAMES = 1 << 12
SMALL_WIDTH = 100  # pixels: what lazy loaders show meanwhile is 10 to 64 wide
DEFAULT_WIDTH = 1080  # pixels: among the widths that lazysizes and Shopify's themes ask for

# Attributes that HTML, ARIA and RDFa define for `<img>`: none is a lazy loader's.
_STANDARD = frozenset(
    {
        "src", "srcset", "sizes", "alt", "title", "class", "id", "style", "width", "height",
        "loading", "decoding", "fetchpriority", "crossorigin", "referrerpolicy", "ismap", "usemap",
        "border", "hspace", "vspace", "align", "name", "longdesc", "lowsrc", "itemprop", "role",
        "tabindex", "lang", "dir", "hidden", "draggable", "onerror", "onload", "onclick",
        "itemscope", "itemtype", "itemid", "property", "typeof", "about", "resource", "content",
        "rel", "href", "importance", "elementtiming", "slot", "part",
    }
)  # fmt: skip
_NAME_WORDS = re.compile(r"[-_:.@\[\]]+")
# What is not the picture of the element: another that replaces it, a smaller one, a page.
_OTHER_PICTURES = frozenset(
    {
        "hover", "rollover", "mouseover", "over", "alt", "fallback", "error", "onerror",
        "placeholder", "blur", "lqip", "thumb", "thumbnail", "thumbs", "small", "tiny", "low",
        "lowres", "lores", "lowsrc", "preview", "poster", "icon", "avatar", "logo", "flag", "href",
        "link", "permalink", "back", "flip", "next", "prev", "before", "swap", "secondary",
        "second", "background", "bg", "noimage", "default", "loading", "loader", "spinner",
        "author", "page", "post", "sizes", "description", "caption", "title", "pin", "mobile",
        "mini", "xsmall", "name", "filename", "key", "id", "type", "mime", "after", "alternate",
        "image2", "img2", "share",
    }
)  # fmt: skip
# The kinds in the order in which they are believed.
_KINDS: tuple[Kind, ...] = ("large source", "source", "loose source", "other")
# Attributes of templates, whose values are expressions (Vue, Angular, Alpine).
_BINDINGS = (":", "[", "(", "@", "*", "v-bind:", "x-bind:", "bind:")
_SOURCES = frozenset(
    {
        "src", "lazy", "lazyload", "lazysrc", "original", "orig", "echo", "breeze", "aload",
        "unveil", "url", "image", "img", "file", "load", "cfsrc", "runner", "deferred", "defer",
        "delayed", "normal", "layzr", "hires", "retina",
    }
)  # fmt: skip
# Those that say no more than what is meant: a page of the picture may be called so as well.
_LOOSE = frozenset({"url", "image", "img", "file", "load"})
_LARGE = frozenset({"large", "xlarge", "full", "full16x9", "big", "hires", "highres", "zoom", "hd"})
# `no-lazy`, `skip-lazy` and the like say that an element is not loaded later.
_LAZY_CLASS = re.compile(
    r"(?:^|\s)(?!(?:\S*[-_])?(?:no|non|not|skip|exclude|disabled?)[-_]?lazy)"
    r"(?:\S*lazy\S*|lozad|unveil|blur-up)(?:\s|$)",
    re.IGNORECASE,
)
# Foundation's Interchange: [small.jpg, small], [large.jpg, large]
_INTERCHANGE = re.compile(r"\[([^\[\],]++),[^\[\]]*+\]")
# Media queries of a `<source>` that no wide window with a light page on a screen meets.
# Widths may be ranges, too: (400px <= width < 700px) (Media Queries 4, 2.4.3).
_IN_FEW_WINDOWS = re.compile(
    r"^(?!.*(?:min-(?:device-)?width|width\s*>|<=?\s*width))"
    r".*(?:max-(?:device-)?width|width\s*<|>=?\s*width)"
    r"|^\s*(?:only\s+)?(?:print|speech)\b|^\s*not\s+(?:all|screen)\b"
    r"|prefers-color-scheme:\s*dark|prefers-(?:reduced-motion|reduced-data):\s*reduce",
    re.IGNORECASE | re.DOTALL,
)
_SET_NAMES = ("srcset", "-set", "_set")
_SET_LIKE = re.compile(r"\s\d+(?:\.\d+)?[wx]\s*(?:,|$)")
_WIDTH_FIELD = re.compile(r"(?:\{|%7b)(?:width|w)(?:\}|%7d)", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,5}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A URL as the page wrote it, the attribute that named it, how large it says to be (`w` or `x`,
    else 1), and whether it is taken only where there is no other.
    """

    url: str
    attribute: Attribute
    size: float = 1.0
    is_last: bool = False


def best_reference(
    node: LexborNode, attributes: Mapping[str, str | None], pictures: Mapping[int, Reference]
) -> Reference | None:
    """The largest candidate of `<picture>` or srcset, else src, or the lazy attribute that src
    stands in for.

    `attributes` are those of the node, `pictures` the `picture_references` of the page.
    """
    src = (attributes.get("src") or "").strip(WHITE_SPACE)
    srcset = attributes.get("srcset")
    around = pictures.get(node.mem_id) if pictures else None
    has_lazy = not _STANDARD.issuperset(attributes)
    if not (srcset or around or has_lazy):  # as most images are
        return Reference(src, "src") if src else None
    found = [around] if around else []
    if srcset:
        found += _of_set(srcset, "srcset", src)
    lazy = _lazy_attributes(attributes) if has_lazy else []
    for name, value in lazy:
        if name.endswith(_SET_NAMES) and _kind_of(name) != "other":
            found += _of_set(value, "lazy")
        elif _SET_LIKE.search(value[:MAX_VALUE_CHARS]):
            found += [known for known in _of_set(value, "lazy") if names_picture(known.url)]
    best = max(found, key=_by_worth, default=None)
    if best is not None and not best.is_last:
        return best
    single = _single_reference(src, lazy, attributes)
    if best is None:
        return single
    if single is None or not is_usable(single) or is_of_other_format(single.url):
        return best
    return single


def _single_reference(
    src: str, lazy: list[tuple[str, str]], attributes: Mapping[str, str | None]
) -> Reference | None:
    """`src`, or what a lazy loader names in its place."""
    widths = _widths(attributes)
    if widths and _WIDTH_FIELD.search(src):
        src = _WIDTH_FIELD.sub(widths, src)
    has_picture = bool(src) and _names_file(src)
    loaded = _lazy_url(lazy, widths, has_picture=has_picture) if lazy else None
    if loaded and (not has_picture or _is_better(loaded, src, attributes)):
        return Reference(loaded, "lazy")
    return Reference(src, "src") if src else None


def _lazy_attributes(attributes: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """(name, value) of the attributes whose value may be a URL of the picture, or several."""
    return [
        (name, value.strip(WHITE_SPACE))
        for name, value in attributes.items()
        if value and name not in _STANDARD and ("." in value or "/" in value) and _kind_of(name)
    ]


def is_usable(reference: Reference | None) -> bool:
    """Whether a reference names a picture, and not what stands in for it."""
    return reference is not None and not (is_stand_in(reference.url) or is_template(reference.url))


def picture_references(pictures: Iterable[LexborNode]) -> dict[int, Reference]:
    """The largest candidate of the `<source>` elements before each `<img>` of a `<picture>`, by
    `mem_id` of the `<img>`.
    """
    found = dict[int, Reference]()
    for picture in pictures:
        largest: Reference | None = None
        for child in picture.iter():
            if child.tag == "source":
                own = _of_source(child.attributes)
                largest = max(filter(None, (largest, *own)), key=_by_worth, default=None)
            elif child.tag == "img" and largest is not None:
                found[child.mem_id] = largest
    return found


def _of_source(attributes: Mapping[str, str | None]) -> Iterator[Reference]:
    """The candidates of a `<source>` that names a type which is taken."""
    kind = (attributes.get("type") or "").partition(";")[0].strip().lower()
    if kind not in PICTURE_TYPES:
        return
    is_last = all(map(_IN_FEW_WINDOWS.search, (attributes.get("media") or "").split(",")))
    for name, value in attributes.items():
        is_set = name.endswith(_SET_NAMES) and _kind_of(name) not in (None, "other")
        if value and (name == "srcset" or is_set):
            own = _of_set(value, "picture")
            yield from (replace(one, is_last=True) for one in own) if is_last else own


def _of_set(srcset: str, attribute: Attribute, src: str = "") -> list[Reference]:
    """The candidates of a srcset that name a picture, with `src` as the one of density 1 (HTML
    standard, 4.8.4.3.8, "update the source set").
    """
    usable = [candidate for candidate in candidates(srcset) if _names_file(candidate.url)]
    references = [
        Reference(url, attribute, size, is_of_other_format(url)) for url, size, _ in usable
    ]
    if not src or not _names_file(src):
        return references
    # A width, or another candidate of density 1, takes the place of `src`.
    replaces_src = any(candidate.has_width or candidate.size == 1 for candidate in usable)
    if not replaces_src:
        references.append(Reference(src, "src", 1.0))
    return references


def _names_file(url: str) -> bool:
    return not is_stand_in(url) and not is_template(url)


@lru_cache(KNOWN_NAMES)
def _kind_of(name: str) -> Kind | None:
    """What the value of an attribute may be, by its name; None for no picture of the element."""
    words = _NAME_WORDS.split(name)
    if name in _STANDARD or name.startswith(("aria-", *_BINDINGS)):
        return None
    if _OTHER_PICTURES.intersection(words):
        return None
    if not (_SOURCES.intersection(words) or name.endswith(("src", "srcset"))):
        return "other"
    if _LARGE.intersection(words):
        return "large source"
    return "loose source" if _SOURCES.intersection(words) <= _LOOSE else "source"


def _lazy_url(lazy: list[tuple[str, str]], widths: str, *, has_picture: bool) -> str | None:
    """The largest picture that the attributes of a lazy loader name.

    Where they do not say how large, the one whose name says most comes first. Beside a picture in
    src (`has_picture`) a loose name is not believed alone.
    """
    found = list[str]()
    of_loose_names = list[str]()
    kinds = [(_KINDS.index(_kind_of(name)), value) for name, value in lazy]
    kinds.sort(key=itemgetter(0))
    for order, value in kinds:
        is_loose = _KINDS[order] == "loose source"
        is_source = _KINDS[order] != "other" and not (is_loose and has_picture)
        urls = _urls_in(value[:MAX_VALUE_CHARS], is_source, widths)
        if is_loose and not any(map(names_picture, urls)):
            of_loose_names += urls
        else:
            found += urls
    found = found or of_loose_names
    if not found:
        return None
    best = found[0]
    for url in found[1:]:
        if is_smaller(best, url):
            best = url
    return best


def _urls_in(value: str, is_source: bool, widths: str) -> list[str]:
    """The URLs of a picture in the value of an attribute."""
    if value.startswith("{"):  # {"https://...": [width, height], ...}
        return _urls_by_size(value)
    if value.startswith("["):
        return [url for url in reversed(_INTERCHANGE.findall(value)) if names_picture(url)]
    # bLazy writes "a.jpg|a@2x.jpg"; lazysizes and Shopify fill {width} in
    url = _WIDTH_FIELD.sub(widths or str(DEFAULT_WIDTH), value.rpartition("|")[2].strip())
    is_picture = is_source_url(url) if is_source else names_picture(url)
    return [url] if is_picture else []


def _urls_by_size(value: str) -> list[str]:
    """The largest URL of a JSON object of URLs and their sides in pixels."""
    try:
        sides_of = json.loads(value)
        largest = max(sides_of, key=lambda url: int(sides_of[url][0]), default="")
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        return []
    return [largest] if names_picture(largest) else []


def _widths(attributes: Mapping[str, str | None]) -> str:
    """The largest of the widths that a page offers for `{width}`; empty where it offers none."""
    offered = attributes.get("data-widths") or attributes.get("data-rias-widths") or ""
    return max(_NUMBER.findall(offered), key=int, default="")


def _is_better(lazy: str, src: str, attributes: Mapping[str, str | None]) -> bool:
    """Whether what a lazy loader names is the picture, and what src names is shown until then."""
    if is_drawing(src) and not is_drawing(lazy):
        return True
    is_larger = is_smaller(src, lazy)
    if is_larger is not None:
        return is_larger
    if (is_gif(src) and not is_gif(lazy)) or (says_nothing(src) and not says_nothing(lazy)):
        return True
    width = width_in(src)
    if width is not None and width <= SMALL_WIDTH:
        return True
    # Of a real picture in src an element says that it is replaced by its class.
    same_file = lazy.partition("?")[0] == src.partition("?")[0]
    return not same_file and _LAZY_CLASS.search(attributes.get("class") or "") is not None


def _by_worth(reference: Reference) -> tuple[bool, float]:
    return not reference.is_last, reference.size
