"""The captions of figures, read as a browser shows them."""

from __future__ import annotations

from selectolax.lexbor import LexborNode

from pairsieve.web.cost import PageTooCostly

# Elements at which no line ends (HTML standard, 15.3, "rendering")
_INLINE = frozenset(
    {
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn",
        "em", "font", "i", "ins", "kbd", "label", "mark", "nobr", "q", "s", "samp", "small", "span",
        "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
    }
)  # fmt: skip
_NOT_SHOWN = frozenset({"script", "style", "noscript", "template"})

MAX_FIGURE_DEPTH = 8  # elements between an image and its figure: links, divs, picture
MAX_FIGCAPTION_CHARS = 1_000_000  # of a page; captions of nested figures hold each other


class FigureCaptions:
    """The captions of the figures of one page, each read once."""

    def __init__(self) -> None:
        self._text_of: dict[int, str | None] = {}
        self._chars = 0

    def of(self, node: LexborNode) -> str | None:
        """The caption of the nearest figure around an image. Raises PageTooCostly."""
        parent = node.parent
        for _ in range(MAX_FIGURE_DEPTH):
            if parent is None:
                return None
            if parent.tag == "figure":
                return self._caption(parent)
            parent = parent.parent
        return None

    def _caption(self, figure: LexborNode) -> str | None:
        if figure.mem_id not in self._text_of:
            captions = (child for child in figure.iter() if child.tag == "figcaption")
            caption = next(captions, None)
            self._text_of[figure.mem_id] = None if caption is None else self._text(caption)
        return self._text_of[figure.mem_id]

    def _text(self, caption: LexborNode) -> str:
        """The text that is shown of a caption: blanks stand where a line may end, not around `<b>`
        and the like (HTML standard, 3.2.8, "innerText"). Raises PageTooCostly.
        """
        parts, open_elements = list[str](), [("", caption.iter(include_text=True))]
        while open_elements:
            blank, children = open_elements[-1]
            node = next(children, None)
            if node is None:
                open_elements.pop()
                parts.append(blank)
                continue
            self._count(1)
            if node.is_text_node:
                parts.append(node.text_content or "")
                self._count(len(parts[-1]))
            elif node.is_element_node and node.tag not in _NOT_SHOWN:
                blank = "" if node.tag in _INLINE else " "
                parts.append(blank)
                open_elements.append((blank, node.iter(include_text=True)))
        return "".join(parts)

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._chars > MAX_FIGCAPTION_CHARS:
            raise PageTooCostly("more text in captions of figures than is read")
