"""The rule on children: it judges words, page, URLs and faces together.

One kind of evidence is a tag, two are a reason to drop. Words about children are in captions of
toys and of grown-up reunions, too; a second kind tells them apart. No age is guessed from a face: a
face is a second kind of evidence beside words, page or URL, and none by itself.

The rule has no thresholds; docs/benchmarks.md has its recall and false rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from filters.medical.rule import Strength, repeats_caption
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public

# schema.org's organisations where children are: https://schema.org/EducationalOrganization and
# https://schema.org/ChildCare
CHILD_PAGE_TYPES = frozenset(
    {"School", "ElementarySchool", "MiddleSchool", "HighSchool", "Preschool", "ChildCare"}
)
# Pages of these types name a school for another reason: it is near a house, or somebody went there.
OTHER_PAGE_TYPES = frozenset(
    {
        "RealEstateListing", "RealEstateAgent", "Residence", "House", "SingleFamilyResidence",
        "Apartment", "ApartmentComplex", "Accommodation", "Hotel", "LodgingBusiness", "JobPosting",
        "Product", "ProfilePage", "Movie", "TVSeries", "Book",
    }
)  # fmt: skip
Profile = Literal["strict", "default", "lenient", "audit"]


@dataclass(frozen=True)
class Children:
    """Drop what two kinds of evidence say to show a child; tag what one kind says.

    Kinds of evidence, and when they are clear or weak:

    words   clear: a sign of a child in the caption. weak: a weak sign
    page    clear: a schema.org type of a school or of child care, or a headline with a clear sign.
            weak: such a type on a page about a house, a job or a product; a headline with a weak
            sign
    urls    clear: a cue in a host, folder or file name. weak: a weak cue
    face    counts beside one of the others only; no age is guessed from it

    Profiles:

    strict   drops clear evidence of one kind, and weak evidence of two; tags other evidence
    default  drops clear evidence of one kind together with another kind; tags clear evidence of one
             kind, and weak evidence of two. Weak evidence of one kind is nothing
    lenient  drops clear evidence of two kinds, of which a face is none; tags clear evidence of one
    audit    drops nothing: everything that `default` drops is tagged with the same reason

    A headline that repeats the caption is the same evidence, and not another kind.
    """

    name: ClassVar[str] = "children"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = (
        "child_signs", "child_signs_weak", "page_types", "page_child_headlines", "child_urls",
        "child_urls_weak",
    )  # fmt: skip
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False

    profile: Public[Profile]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        kinds = self._kinds(evidence)
        has_face = bool(evidence.get("face_count"))
        reason = _reason(kinds, has_face)
        if reason is None:
            return
        if self.profile != "audit" and self._is_enough_to_drop(kinds, has_face):
            yield Decision(Action.DROP, reason)
        elif self._is_enough_to_tag(kinds, has_face):
            yield Decision(Action.TAG, reason)

    def _kinds(self, evidence: Readable) -> dict[str, Strength]:
        """The kinds of evidence that there are, the surest first."""
        words = _strength(evidence["child_signs"], evidence["child_signs_weak"])
        strengths = {
            "text": words,
            "page": _page(evidence, has_words=bool(words)),
            "url": _strength(evidence["child_urls"], evidence["child_urls_weak"]),
        }
        found = {kind: strength for kind, strength in strengths.items() if strength}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _is_enough_to_drop(self, kinds: dict[str, Strength], has_face: bool) -> bool:
        clear = sum(strength == Strength.CLEAR for strength in kinds.values())
        if self.profile == "lenient":
            return clear >= 2
        if self.profile == "strict":
            return clear >= 1 or len(kinds) + has_face >= 2
        return clear >= 1 and len(kinds) + has_face >= 2

    def _is_enough_to_tag(self, kinds: dict[str, Strength], has_face: bool) -> bool:
        is_clear = Strength.CLEAR in kinds.values()
        if self.profile == "lenient":
            return is_clear
        return is_clear or self.profile == "strict" or len(kinds) + has_face >= 2


def _strength(clear: Iterable[str] | None, weak: Iterable[str] | None) -> Strength:
    """How sure evidence of one kind is."""
    if clear:
        return Strength.CLEAR
    return Strength.WEAK if weak else Strength.NONE


def _page(evidence: Readable, has_words: bool) -> Strength:
    """How much a page is about children. All page evidence is None where no page was seen."""
    types = frozenset(evidence["page_types"] or ())
    strength = Strength.NONE
    if not types.isdisjoint(CHILD_PAGE_TYPES):
        strength = Strength.CLEAR if types.isdisjoint(OTHER_PAGE_TYPES) else Strength.WEAK
    for headline in evidence["page_child_headlines"] or ():
        # where the caption has no sign, its repetition cannot count twice
        if has_words and repeats_caption(headline["text"], evidence.get("caption") or ""):
            continue
        of_headline = Strength.CLEAR if headline["clear"] else Strength.WEAK
        strength = max(strength, of_headline)
    return strength


def _reason(kinds: dict[str, Strength], has_face: bool) -> str | None:
    """The reason that names the two surest kinds of evidence, or the only one; a face comes last.

    One of `children_text`, `children_page`, `children_url`, each also `..._with_face`, and
    `children_text_and_page`, `children_text_and_url`, `children_page_and_url`.
    """
    if not kinds:
        return None
    surest = list(kinds)[:2]
    named = [kind for kind in ("text", "page", "url") if kind in surest]
    reason = f"children_{'_and_'.join(named)}"
    return f"{reason}_with_face" if has_face and len(named) == 1 else reason
