"""The signs that a text is about a child, put together from words, names and ages.

- a word that is clear alone ("preschoolers"), or a school for children ("in the kindergarten");
- a child who does something ("kids playing"), is somebody's ("our daughter") or is at school;
- an age up to 17 years that belongs to a name or a child, and not to an animal or a bottle;
- a name with a number or a class behind it ("Ann Roe, 7," and "Ann, 3b");
- a birthday up to the seventeenth with a name; a birth with a name or a weight;
- a team of children; a class with its teacher, or on an outing.

Signs that are not enough alone are weak. What makes a sign clear stands in glance.py, too, which
looks at many texts at once. What is sold, drawn, printed or built near a sign
("kindergarten worksheet") makes most of them weak, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from filters.children.ages import BEFORE, MAX_YEARS, PEOPLE, Age, age_forms
from filters.children.reading import Place, Reading, follows, is_followed, is_near

NEAR_CHARS = 40  # between a child and a school, class or birthday: some seven words
TEACHER_CHARS = 15  # between a class and the title of its teacher
BEFORE_CHARS = 35  # between a person and an age behind it
BEHIND_CHARS = 25  # between an age and a person behind it
BORN_CHARS = 30  # between a child and "born"
OF_CHARS = 5  # between a class and its number: "classe de 6e B"
OWN_CHARS = 12  # between "our" and "daughter": room for one word
# Kinds of terms that make a sign weak: pictures that are no photographs, and things.
MEDIA, MEDIA_AND_GOODS = ("media",), ("media", "goods")

# Behind a name: perhaps a surname of one or two words, and a number: "Ann van Roe, 7," "Ann (7)"
_SURNAME = (
    r"(?: (?:d[aeiou]s?|van|von|de[rn]?|del|la|le|di)(?= ))?"
    r"(?P<surname>(?: (?:[^\W\d_]['])?[^\W\d_a-z]\w*\.?){0,2})"
)
_AFTER_COMMA = r", ?(?P<after_comma>\d{1,2})(?= ?[,;]|[.!?]?$)"
_NUMBER_OF_NAME = re.compile(rf"{_SURNAME}(?:{_AFTER_COMMA}| ?\((?P<in_brackets>\d{{1,2}})\))")
# With a last letter of the name before it.
NUMBER_BEHIND_NAME = re.compile(rf"[^\W\d_]{_NUMBER_OF_NAME.pattern}")
NUMBER_BEHIND_COMMA = re.compile(rf"[^\W\d_]{_SURNAME}{_AFTER_COMMA}")
WEIGHT = re.compile(
    r"\b[2-4][.,]?\d{3} ?(?:g|gr|gram\w*)\b|\b[2-4][.,]\d{1,3} ?kg\b|\b\d{1,2} ?lbs?\b"
)
YOUTH_TEAM = re.compile(r"\b(?:under|u|sub|o|jo|mo|unter|onder) ?(\d{1,2})(?:s|'s)?\b")
_CLASS = r"(?:1[0-3]|[1-9])(?:[ºª°.]+|st|nd|rd|th|e|ème)?"
CLASS_NUMBER = re.compile(rf"(?<!\w){_CLASS}(?!\w)")
CLASS_LETTER = re.compile(rf"(?<!\w){_CLASS} ?[a-e](?!\w)")
GERMAN_PERSON = re.compile(r"\b(\d{1,2}) Jährige[rn]?\b")
_SENTENCE_END = re.compile(r"[;!?|•]")


@dataclass(frozen=True, slots=True)
class Sign:
    """Something in a text that says that it is about a child.

    - `what`: the kind of sign.
    - `clear`: whether it is enough alone.
    - `weakened_by`: the kinds of terms near which it is weak; None where there are none.
    """

    what: str
    place: Place
    clear: bool
    weakened_by: tuple[str, ...] | None = MEDIA_AND_GOODS


def find_signs(reading: Reading) -> Iterator[Sign]:
    """Every sign of a child in a text."""
    for place in reading.places("clear"):
        yield Sign("word", place, True)
    for place in reading.places("school"):
        yield Sign("school", place, True)
    yield from _children(reading)
    yield from _pupils(reading)
    yield from _classes(reading)
    yield from _ages(reading)
    yield from _names_with_numbers(reading)
    yield from _birthdays(reading)
    yield from _births(reading)
    yield from _teams(reading)


def _children(reading: Reading) -> Iterator[Sign]:
    """Children with what makes them real ones; any other word for a child is weak."""
    own, little = reading.places("own"), reading.places("little")
    acts, things = reading.places("acts"), reading.places(*MEDIA_AND_GOODS)
    # "kids running shoes" and "kids learning tower" are things
    doing = [place for place in reading.places("doing") if not is_followed(place, things)]
    meant_for = reading.places("for")
    for kind in ("child", "youth"):
        for place in reading.places(kind):
            yield Sign("child", place, False)
            if follows(place, own, OWN_CHARS):
                yield Sign("own_child", place, True, weakened_by=None)
            if follows(place, little):
                # a "young girl" may be a woman
                yield Sign("little_child", place, kind == "child", MEDIA)
            if is_followed(place, reading.maybe_names):
                yield Sign("child_with_name", place, True, MEDIA)
            is_acting = is_followed(place, doing)
            is_acting |= kind == "child" and is_followed(place, acts)
            if is_acting and not follows(place, meant_for):
                yield Sign("child_who_acts", place, True, MEDIA)
    for place in reading.places("little_name"):
        if is_followed(place, reading.names, most=2):
            yield Sign("little_name", place, True, MEDIA)


def _pupils(reading: Reading) -> Iterator[Sign]:
    """Children and pupils near a school or class; a pupil alone is weak."""
    schools = reading.places("school", "class")
    schools += [match.span() for match in CLASS_LETTER.finditer(reading.text)]
    for place in reading.places("pupil", "child", "youth"):
        yield Sign("pupil", place, is_near(place, schools, NEAR_CHARS), MEDIA)


def _classes(reading: Reading) -> Iterator[Sign]:
    """Classes with a teacher, or with a number and an outing or a name; others are weak."""
    teachers, outings = reading.places("teacher"), reading.places("outing")
    numbers = [match.span() for match in CLASS_NUMBER.finditer(reading.text)]
    letters = [match.span() for match in CLASS_LETTER.finditer(reading.text)]
    for place in reading.places("class"):
        if is_near(place, teachers, TEACHER_CHARS):
            yield Sign("class", place, True)
        if is_followed(place, letters, most=OF_CHARS) or follows(place, letters):
            # in English it may be a laser of class 3B
            yield Sign("class", place, reading.language != "en")
        if is_followed(place, numbers) or follows(place, numbers):
            has_name = follows(place, reading.names, most=2)
            yield Sign("class", place, has_name or is_near(place, outings, NEAR_CHARS))
    for place in letters:
        if follows(place, reading.names, most=2) or is_near(place, outings, NEAR_CHARS):
            yield Sign("class", place, reading.is_known)


def _ages(reading: Reading) -> Iterator[Sign]:
    """Ages that belong to a person; other ages are weak."""
    animals = reading.places("aged")
    names = [name for name in reading.maybe_names if not follows(name, animals)]
    people = [*names, *reading.places("child", "youth", "person", "pupil")]
    others = reading.places("aged", "goods", "media")
    not_ages = reading.places("after")
    for age in reading.ages:
        place = (age.start, age.end)
        if is_followed(place, not_ages):
            continue
        if age.kind == PEOPLE:
            yield Sign("age", place, True)
            continue
        to_person = _chars_to_owner(age, people, reading)
        to_other = _chars_to_owner(age, others, reading)
        is_of_person = to_person is not None and (to_other is None or to_person <= to_other)
        yield Sign("age", place, is_of_person, weakened_by=None)
    if reading.language == "de":
        for match in GERMAN_PERSON.finditer(reading.cased):
            if 0 < int(match[1]) <= MAX_YEARS:
                yield Sign("age", match.span(), True)


def _chars_to_owner(age: Age, places: Sequence[Place], reading: Reading) -> int | None:
    """Characters between an age and the nearest place that may own it; None where none may."""
    gaps = (_chars_between(age, place, reading) for place in places)
    return min((chars for chars in gaps if chars is not None), default=None)


def _chars_between(age: Age, place: Place, reading: Reading) -> int | None:
    """Characters between an age and its possible owner; None where it cannot be the owner.

    The owner of "six-year-old" stands behind it; that of "6 years old" before it.
    """
    start, end = place
    if start >= age.end and age.kind == BEFORE:
        between, most = reading.text[age.end : start], BEHIND_CHARS
    elif end <= age.start:
        between, most = reading.text[end : age.start], BEFORE_CHARS
        # a word directly behind "six-year-old" is what is so old
        behind = reading.text[age.end : age.end + 2].strip()
        if age.kind == BEFORE and behind[:1].isalpha():
            return None
    else:
        return None
    return None if len(between) > most or _SENTENCE_END.search(between) else len(between)


def _names_with_numbers(reading: Reading) -> Iterator[Sign]:
    """A name, perhaps a surname, and a number up to 17: "Ann Roe, 7," or "Ann (7)"."""
    for start, end in reading.names:
        match = _NUMBER_OF_NAME.match(reading.cased, end)
        if match is None:
            continue
        number = int(match["after_comma"] or match["in_brackets"])
        if 0 < number <= MAX_YEARS:
            # English pages write the numbers of players' shirts in brackets, behind surnames
            is_foreign = reading.language != "en" and (reading.is_known or not match["surname"])
            may_be_shirt = bool(match["in_brackets"]) and not is_foreign
            yield Sign("name_with_number", (start, match.end()), not may_be_shirt)


def _birthdays(reading: Reading) -> Iterator[Sign]:
    """Birthdays: clear with a child, or with a name and a number up to 17."""
    forms = age_forms(reading.language)
    children = reading.places("child", "youth")
    for start, end in reading.places("birthday"):
        around = reading.text[max(0, start - NEAR_CHARS) : end + NEAR_CHARS]
        is_young = bool(reading.names) and forms.has_young_ordinal(around)
        has_child = is_near((start, end), children, NEAR_CHARS)
        yield Sign("birthday", (start, end), has_child or is_young)


def _births(reading: Reading) -> Iterator[Sign]:
    """Births: a word for it with a weight, or a name and a child near it."""
    has_weight = WEIGHT.search(reading.text) is not None
    children = reading.places("child", "youth")
    for place in reading.places("born"):
        has_child = bool(reading.names) and is_near(place, children, BORN_CHARS)
        if has_weight or has_child:
            yield Sign("birth", place, True)


def _teams(reading: Reading) -> Iterator[Sign]:
    """Teams of children: a word or number of a youth team near a team or a child."""
    teams = reading.places("team", "child", "youth")
    juniors = reading.places("junior")
    for match in YOUTH_TEAM.finditer(reading.text):
        if 0 < int(match[1]) <= MAX_YEARS:
            juniors.append(match.span())
    for place in juniors:
        if is_near(place, teams, NEAR_CHARS):
            yield Sign("team", place, True)
