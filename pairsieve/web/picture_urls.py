"""What a reference on a page looks like: a picture, a stand-in for one, or a template that nobody
filled in.

A stand-in is what a page shows until a script loads the picture: it is judged by the whole name of
the file, so that a photograph of a loading dock is none.
"""

from __future__ import annotations

import re
from functools import lru_cache

# References whose judgement a worker remembers, and how long they may be: a site repeats its own.
KNOWN, KNOWN_CHARS = 1 << 12, 500

# Schemes and words that name no file.
_NO_FILE = re.compile(
    r"(?:data|about|javascript|blob|cid|chrome-extension):|//:0|#|$", re.IGNORECASE
)
_NO_VALUE = frozenset({"undefined", "null", "none", "nan", "false", "true", "auto", "lazy"})
_SERVICES = (
    "//via.placeholder.com/",
    "//placehold.it/",
    "//placehold.co/",
    "//dummyimage.com/",
    "/pagespeed_static/",  # mod_pagespeed's own blank picture
)
# Words that name a stand-in, with any number beside them.
_STAND_INS = frozenset(
    {
        "placeholder", "placeholders", "placehold", "spacer", "preloader", "lazyload", "lazyloader",
        "lazyloading", "cleardot", "spaceball", "onepixel", "1x1", "1px", "noimage", "nophoto",
        "dummyimage", "imageplaceholder", "imgplaceholder",
    }
)  # fmt: skip
# Words that name one alone or beside sizes: with a number they are things (blank-1600).
_ALONE = frozenset(
    {
        "blank", "transparent", "trans", "dummy", "loading", "lazy", "preload",
    }
)  # fmt: skip
# The same where the file is a drawing: photographs show loaders, white things and Pixel phones.
_ALONE_IN_DRAWINGS = frozenset(
    {
        "loader", "spinner", "empty", "load", "pixel", "px", "clear", "dot", "null", "none", "grey",
        "gray", "white", "holder", "ph", "shim", "s", "b", "t", "p", "x",
    }
)  # fmt: skip
# The same written as one word, as in imgloading.gif, blankimg.png and trans1x1.gif.
_JOINED = re.compile(
    r"(?=.*(?:loading|loader|blank|trans|lazy|spinner|pixel|empty|preload|dummy))"
    r"(?:img|image|pic|icon|bg|ajax|loading|loader|blank|trans(?:parent)?|lazy|spinner|pixel|empty"
    r"|preload|dummy|\d+x\d+|\d+px)+"
)
# What shops show in place of a picture that they do not have.
_NO_PICTURE = re.compile(
    r"(?<![a-z0-9])(?:no[-_ ]?(?:image|img|pic|picture|photo|preview|thumb|thumbnail)"
    r"|not[-_ ]?(?:available|found))(?![a-z0-9])"
)
_PHOTOGRAPHS = frozenset({"jpg", "jpeg", "jpe", "webp", "avif", "heic", "jxl"})
# Words that change nothing about the others.
_NEUTRAL = frozenset(
    {
        "image", "images", "img", "pic", "picture", "photo", "thumb", "thumbnail", "icon", "bg",
        "background", "ajax", "default", "generic", "product", "post", "article", "avatar", "user",
        "profile", "video", "small", "medium", "large", "square", "wide", "tile", "gif", "svg",
        "png", "jpg", "min", "new", "anim", "animated", "circle", "dots", "bx", "for", "js", "css",
        "of", "the",
    }
)  # fmt: skip
_SIZE = re.compile(r"\d+x\d*|x\d+|\d+(?:px|w|h)|\d+by\d+")
_WORDS = re.compile(r"[-_. +~@()]+|%20")
_NOT_PATH = re.compile(r"[?#]")
# A file that holds pixels; some CDNs put a size behind the suffix (a.jpg!small, a.jpg@300w).
_PICTURE_SUFFIX = re.compile(
    r"\.(?:jpe?g|jpe|jfif|pjpe?g|png|webp|gif|avif|heic|jxl|bmp|tiff?)(?:$|[?#!@&;,/:|]|%3f|%26)",
    re.IGNORECASE,
)
_OTHER_FORMAT = re.compile(r"\.(?:svgz?|avifs?|jxl|heic|heif|apng)(?:[?#]|$)", re.IGNORECASE)
_PICTURE_END = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)(?:[?#]|$)", re.IGNORECASE)
_OTHER_SUFFIX = re.compile(
    r"\.(?:html?|xhtml|js|css|json|xml|pdf|mp4|webm|mov|mp3|zip|woff2?|ttf)(?:$|[?#])",
    re.IGNORECASE,
)
# Pages with a player, which lazy loaders put into the place of a picture.
_PLAYER = re.compile(
    r"(?:https?:)?//(?:www\.|player\.)?(?:youtube(?:-nocookie)?\.com|youtu\.be|vimeo\.com)/",
    re.IGNORECASE,
)
_LOOKS_LIKE_URL = re.compile(r"(?:https?:)?//[^/]|/[^/]|\.{1,2}/", re.IGNORECASE)
# Of a loader's own attribute: a path without a mark at its beginning, or a script with arguments.
_RELATIVE_PATH = re.compile(
    r"(?=[^a-z/]*+[a-z])[^\s:?#/]++(?:/[^\s?#]|(?:(?<=\.[a-z]{3})|(?<=\.[a-z]{4}))\?)",
    re.IGNORECASE,
)
_MEDIA_TYPE = re.compile(r"(?:image|video|audio|text|application)/[a-z0-9.+-]+$", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Several files, not one.
_SEVERAL = re.compile(
    r"\.(?:jpe?g|png|webp|gif)\s*[,;]\s*[^,;]+\.(?:jpe?g|png|webp|gif)$", re.IGNORECASE
)
_NOT_IN_FILE_NAME = re.compile(r"[<>\"{}`\x00-\x1f]")
_NOT_IN_URL = re.compile(r"[<>\"{}\\^`\x00-\x1f\[\]]|\s\S*\s\S*\s\S*\s")

# Templates as they are written and as the WHATWG rules escape them: of Mustache, Jinja, Vue,
# Angular, Smarty, JavaScript, JSP, ERB and PHP; of one name in braces (Svelte, Tumblr's
# {PhotoURL-500}), which is no GUID; of MODX and Template Toolkit in brackets; of Mailchimp and
# ThinkPHP; and JavaScript that puts strings together ("' + url + '"). In a query such quotes may
# stand around words that are looked for (?q="red"+or+"blue"): there only the first quote counts.
_TEMPLATE = re.compile(
    r"(?:\{|%7b){2}|(?:[$#@]|%24|%23)(?:\{|%7b)|(?:\{|%7b)(?:[$!#~]|%2[34]|%25|%(?![0-9a-f]{2}))"
    r"|(?:<|%3c)(?:[?#]|%3f|%23|%25|%(?![0-9a-f]{2}))"
    r"|(?:\{|%7b)(?:[wh]|(?![0-9a-f]{8}-)[a-z_][a-z_][\w.-]*)(?:\}|%7d)"
    r"|(?:\[|%5b)object(?: |%20)[a-z]|(?:\[|%5b)(?:\[|%5b|([*+!~])[\w.-]+\1|%25|%(?![0-9a-f]{2}))"
    r"|%(?![0-9a-f]{2})[a-z_]{2,}%(?![0-9a-f]{2})|\*(?:\||%7c)\w+(?:\||%7c)\*|(?:^|/)(?-i:__[A-Z]+__)/"
    r"|^(?:[^?]*|(?:(?!%2[27])[^'\"])*+)(?:['\"]|%2[27])(?: |%20)*\+[^'\"]{1,80}\+(?: |%20)*"
    r"(?:['\"]|%2[27])",
    re.IGNORECASE,
)
# What a script writes where it has no value: a whole segment of the path, or an argument that
# should be a URL.
_NO_VALUE_IN_URL = re.compile(
    r"(?:^|/)(?:undefined|null)(?:\.(?:jpe?g|png|webp|gif))?(?:[/?#]|$)"
    r"|(?:^|/)(?:none|false)(?:[?#]|$)"
    r"|[?&](?:url|src|img|image|file|path)=(?:undefined|null)(?:[&#]|$)"
    r"|(?:^|/|=)(?-i:NaN)(?:[/?#&]|$)",
    re.IGNORECASE,
)

# The width that a URL tells: photo-1200x800.jpg, photo_1200x.jpg, ?w=1200, /w_1200,h_800/ (also at
# the end), /1200px-photo.jpg, =s1200 or =w1200 at the end (Google), /s1200/ and /w1200-h800/
# (Blogger), /s1200x800/ (Tumblr), ?type=w1200 (Naver), =w:1200 (GoDaddy), /w/1200/ (Qiniu),
# /max/1200/ and resize:fit:1200 (Medium), scale-to-width-down/1200 (Fandom), ._SX1200_ (Amazon),
# /s-l1200. (eBay).
_WIDTH = re.compile(
    r"(?=[-_/,.?&;=rs0-9])(?:(?:^|[-_/,.])(\d{2,5})x\d{0,5}(?=[-_/.,@!]|$)"
    r"|[?&;](?:w|width|wid|imwidth|im_w|mw|maxw|max-w|sw|resize|fit)=(\d{1,5})"
    r"|[/,=](?:c_[a-z]+,)?w[_=:-](\d{1,5})(?=[,/&]|$)"
    r"|/(\d{2,5})px-|=[sw](\d{2,5})(?:-|$)|/[sw](\d{2,5})(?:x\d+)?(?:-[a-z0-9-]+)?/"
    r"|[?&]type=w(\d{1,5})|/w/(\d{1,5})(?=/|$)|/max/(\d{2,5})/|resize:fit:(\d{2,5})"
    r"|scale-to-width(?:-down)?/(\d{2,5})|\._(?:[A-Z]{2}_)*[SU][LSX](\d{2,5})_|/s-l(\d{2,5})\.)"
)
_TRAILING_NUMBER = re.compile(r"[-_@](\d{1,5})(?:w|px|x)?(?=\.[A-Za-z]+(?:[?#]|$))")
# WordPress scales beanie.jpg down to beanie-300x300.jpg
# (https://developer.wordpress.org/reference/classes/wp_image_editor/generate_filename/).
_SCALED_DOWN = re.compile(r"-\d{1,5}x\d{1,5}(?=\.[A-Za-z]+(?:[?#]|$))")


def is_stand_in(url: str) -> bool:
    """Whether a reference stands in for a picture that a script loads later, or names no file."""
    if _NO_FILE.match(url):
        return True
    return _known_stand_in(url) if len(url) <= KNOWN_CHARS else _is_stand_in(url)


def _is_stand_in(url: str) -> bool:
    if url.lower() in _NO_VALUE or any(service in url for service in _SERVICES):
        return True
    stem, suffix = _name_of(url)
    words = _words_of(_NO_PICTURE.sub("noimage", stem))
    return _name_stand_in(words, is_photograph=suffix in _PHOTOGRAPHS)


_known_stand_in = lru_cache(KNOWN)(_is_stand_in)


def _name_of(url: str) -> tuple[str, str]:
    """The name of a file and its suffix, in lower case."""
    path = _NOT_PATH.split(url, maxsplit=1)[0]
    _, _, name = path.lower().rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return (stem, suffix) if dot else (name, "")


def _words_of(stem: str) -> list[str]:
    return [word for word in _WORDS.split(stem) if word]


def says_nothing(url: str) -> bool:
    """Whether the name of a drawing tells no picture from another, as default.png and bg.png: it is
    the picture only where no lazy loader names one.
    """
    stem, suffix = _name_of(url)
    words = _words_of(stem)
    return suffix not in _PHOTOGRAPHS and bool(words) and _NEUTRAL.issuperset(words)


def is_gif(url: str) -> bool:
    """Whether a URL names a GIF by its suffix."""
    return _name_of(url)[1] == "gif"


def _name_stand_in(words: list[str], *, is_photograph: bool) -> bool:
    """Whether the words of a file name, all of them, are those of a stand-in."""
    if not is_photograph:
        words = ["blank" if _JOINED.fullmatch(word) else word for word in words]
    named = _STAND_INS.intersection(words)
    alone = _ALONE if is_photograph else _ALONE | _ALONE_IN_DRAWINGS
    if not named and alone.isdisjoint(words):
        return False
    return all(
        word in _STAND_INS
        or word in alone
        or word in _NEUTRAL
        or _SIZE.fullmatch(word)
        or (named and word.isdigit())
        for word in words
    )


def is_template(url: str) -> bool:
    """Whether a reference, absolute or not, still holds what a template or a script should have
    replaced.
    """
    # `in` is ten times faster than the expressions, and nearly no URL has any of these
    has_mark = "{" in url or "%" in url or "[" in url or "<" in url
    has_mark = has_mark or "+" in url or "|" in url or "__" in url
    if has_mark and _TEMPLATE.search(url):
        return True
    low = url.lower()
    has_word = "undefined" in low or "null" in low or "nan" in low
    has_word = has_word or "none" in low or "false" in low
    return has_word and _NO_VALUE_IN_URL.search(url) is not None


def is_of_other_format(url: str) -> bool:
    """Whether a suffix names a format that no `<source>` is taken for where its type is said."""
    return _OTHER_FORMAT.search(url) is not None


def is_drawing(url: str) -> bool:
    """Whether a URL names an SVG file, which holds no pixels."""
    return _NOT_PATH.split(url, maxsplit=1)[0].lower().endswith(".svg")


def names_picture(value: str) -> bool:
    """Whether an attribute's value is the URL of a picture by its suffix."""
    return bool(_PICTURE_SUFFIX.search(value)) and looks_like_url(value)


def is_source_url(value: str) -> bool:
    """Whether the value of an attribute that is named as a source may be the URL of a picture."""
    if value.startswith(("/", "http")):  # as most do
        return looks_like_url(value) or _is_file_name(value)
    if _RELATIVE_PATH.match(value) and not _MEDIA_TYPE.match(value):
        return _may_be_url(value) and _NOT_IN_URL.search(value) is None
    return looks_like_url(value) or _is_file_name(value)


def _is_file_name(value: str) -> bool:
    """Whether a value ends like a picture, as `my photo of [one] cat.jpg` does."""
    is_one = _PICTURE_END.search(value) is not None and _NOT_IN_FILE_NAME.search(value) is None
    return is_one and _may_be_url(value)


def looks_like_url(value: str) -> bool:
    """Whether an attribute's value may be the URL of a picture, by its form."""
    return (
        (_LOOKS_LIKE_URL.match(value) or _PICTURE_SUFFIX.search(value)) is not None
        and _NOT_IN_URL.search(value) is None
        and _may_be_url(value)
    )


def _may_be_url(value: str) -> bool:
    """Whether nothing says that a value is something else than the URL of one picture."""
    return (
        _OTHER_SUFFIX.search(value) is None
        and (":" not in value or _OTHER_SCHEME.match(value) is None)
        and (("," not in value and ";" not in value) or _SEVERAL.search(value) is None)
        and _PLAYER.match(value) is None
        and not is_stand_in(value)
        and not is_template(value)
    )


def width_in(url: str) -> int | None:
    """The width in pixels that a URL tells, if it tells one."""
    found = _WIDTH.search(url)
    return int(next(group for group in found.groups() if group)) if found else None


def is_smaller(url: str, other: str) -> bool | None:
    """Whether a URL tells a smaller width than another; None where one of them tells none, or both
    the same.
    """
    if _is_original(url, other):
        return False
    if _is_original(other, url):
        return True
    width, other_width = width_in(url), width_in(other)
    if width is None or other_width is None:
        # A number at the end of the name is a width if all else in both is the same.
        ends = _TRAILING_NUMBER.search(url), _TRAILING_NUMBER.search(other)
        if ends[0] and ends[1] and _TRAILING_NUMBER.sub("", url) == _TRAILING_NUMBER.sub("", other):
            width, other_width = int(ends[0][1]), int(ends[1][1])
    if width is None or other_width is None or width == other_width:
        return None
    return width < other_width


def _is_original(url: str, other: str) -> bool:
    """Whether another URL names the same picture scaled down, and this one as it was uploaded."""
    if other.startswith(url) and other[len(url) : len(url) + 1] == "?":
        return width_in(other[len(url) :]) is not None  # a.jpg?w=500 (WordPress.com)
    return "x" in other and url == _SCALED_DOWN.sub("", other) != other
