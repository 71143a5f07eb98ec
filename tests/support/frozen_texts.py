"""Every text of the frozen sets, whatever it stands there for."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain

from tests.support.marked_captions import SETS, unmarked
from tests.support.privacy_sets import announced_cards, announced_phones, urls

_GROUP = re.compile(r"^[^:|\t]*(?::|\||\t) ?")


@lru_cache(1)
def frozen_texts() -> tuple[str, ...]:
    """Each line of each set: whole, without its group and marks, and its cells; and filled cues."""
    texts: set[str] = set()
    for path in chain(SETS.rglob("*.txt"), SETS.rglob("*.tsv")):
        for line in path.read_text("utf-8").splitlines():
            caption, _ = unmarked(line)
            cells = re.split(r"[\t|]", caption)
            texts |= {line, caption, _GROUP.sub("", caption), *map(str.strip, cells)}
    texts |= {text.text for text in chain(announced_phones(True, 211), announced_cards())}
    texts |= {url for _, _, url in urls()}
    return tuple(sorted(texts))
