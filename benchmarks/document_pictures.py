"""Renders documents of people who do not exist: nine kinds in eight languages, from seeds.

`document(number)` is the same picture on every machine. The set was frozen before the detector's
thresholds and words were written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import yaml
from PIL import Image, ImageDraw, ImageFont

from benchmarks.rendering import (
    Colour,
    as_served,
    font,
    on_a_desk,
    portrait,
    wrapped,
)

SEED = 28
KINDS = (
    "identity_card",
    "passport",
    "driving_licence",
    "resume",
    "letter",
    "invoice",
    "bank_statement",
    "form",
    "prescription",
)
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pl", "pt")
INK: Colour = (28, 28, 36)
PAPERS: tuple[Colour, ...] = ((255, 255, 255), (250, 248, 240), (243, 243, 246))
CARDS: tuple[Colour, ...] = ((214, 228, 236), (238, 222, 214), (222, 234, 214), (230, 222, 238))
BODIES = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf", "DejaVuSansMono.ttf")
TITLES = ("DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf", "STIXGeneralBol.ttf")
PHOTOGRAPHED = 0.45  # of the documents lie on a desk; the others are scans


@dataclass(frozen=True)
class DocumentPicture:
    """A rendered document: its kind, its language, and the picture as a site would serve it."""

    name: str
    kind: str
    language: str
    image: Image.Image


@lru_cache(1)
def _words() -> Mapping[str, Any]:
    text = Path(__file__).with_name("document_words.yaml").read_text("utf-8")
    words: Mapping[str, Any] = yaml.safe_load(text)
    return words


@dataclass
class Person:
    """Somebody made up, in the forms that documents need."""

    random: Random
    words: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.surname, self.first_name = self.random.choice(self.words["names"])
        self.town = self.random.choice(self.words["towns"])
        street = self.random.choice(self.words["streets"])
        self.address = f"{street} {self.random.randint(1, 140)}, {self.town}"
        country = self.random.randint(30, 49)
        area = self.random.randint(100, 999)
        number = self.random.randint(100000, 999999)
        self.phone = f"+{country} {area} {number}"

    def date(self, first: int = 1950, last: int = 2004) -> str:
        """Return a date, as documents write it."""
        day, month = self.random.randint(1, 28), self.random.randint(1, 12)
        return f"{day:02}.{month:02}.{self.random.randint(first, last)}"

    def number(self, letters: str = "CFGHJKLMNPRTVWXYZ") -> str:
        """Return the number of a document."""
        letter = self.random.choice(letters)
        return f"{letter}{self.random.randint(10**7, 10**8 - 1)}"

    def value(self, label: str) -> str:
        """Return what stands behind a label. Which one it is, is told by the words in it."""
        low = label.lower()
        cues: tuple[tuple[tuple[str, ...], str], ...] = (
            (
                ("mail", "courriel", "correo", "correio"),
                f"{self.first_name[0].lower()}@mail.example",
            ),
            (("tele", "télé"), self.phone),
            (("sex", "geschl", "płeć", "sess", "gesla"), self.random.choice("MF")),
            (
                ("nation", "staats", "nacional", "cittad", "obywat"),
                self.words["country"].strip("<"),
            ),
            (
                (
                    "dat",
                    "geb",
                    "until",
                    "bis",
                    "fecha",
                    "valid",
                    "tot",
                    "expir",
                    "scad",
                    "até",
                    "né ",
                    "nato",
                    "am",
                    "délivré",
                    "valable",
                    "válid",
                ),
                self.date(),
            ),
            (("nummer", "number", "numer", "número", "numéro", "nº", "codice"), self.number()),
            (
                ("surname", "nazwisko", "apell", "apel", "cognome", "achter", "familienname"),
                self.surname,
            ),
            (("addr", "adres", "anschrift", "domic", "indir", "morada"), self.address),
            (
                (
                    "lieu",
                    "place",
                    "ort",
                    "lugar",
                    "luogo",
                    "miejsc",
                    "plaats",
                    "local",
                    "beh",
                    "autor",
                    "organ",
                ),
                self.town,
            ),
            (("categ", "klass", "kateg"), "B, AM, L"),
        )
        for keys, value in cues:
            if any(key in low for key in keys):
                return value
        return f"{self.first_name} {self.surname}" if len(label) > 6 else self.first_name


@dataclass
class Sheet:
    """A page or card that is written from top to bottom."""

    image: Image.Image
    body: ImageFont.FreeTypeFont
    title: ImageFont.FreeTypeFont
    small: ImageFont.FreeTypeFont
    y: float
    left: int

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def line(self, text: str, face: ImageFont.FreeTypeFont | None = None, x: int = 0) -> None:
        """Write one line, and move below it."""
        face = face or self.body
        self.draw.text((x or self.left, self.y), text, INK, face)
        self.y += face.size * 1.45

    def beside(self, texts: Sequence[str], columns: Sequence[int]) -> None:
        """Write texts beside each other, at shares of the width in hundredths."""
        for text, column in zip(texts, columns, strict=True):
            self.draw.text((self.image.width * column / 100, self.y), text, INK, self.body)
        self.y += self.body.size * 1.5


def document(number: int) -> DocumentPicture:
    """Return document `number`; kinds and languages take turns."""
    random = Random(f"document {SEED} {number}")
    kind = KINDS[number % len(KINDS)]
    language = LANGUAGES[number // len(KINDS) % len(LANGUAGES)]
    words = _words()[language]
    person = Person(random, words)
    image = _DRAWERS[kind](kind, words, person)
    if random.random() < PHOTOGRAPHED:
        image = on_a_desk(image, random)
    elif random.random() < 0.5:
        image = image.rotate(
            random.uniform(-3, 3), Image.Resampling.BICUBIC, expand=True, fillcolor=(225, 225, 225)
        )
    return DocumentPicture(
        f"{kind}_{language}_{number}", kind, language, as_served(image, random, (480, 1280))
    )


def _page(random: Random, lines: int) -> Sheet:
    """Return an empty page with room for a number of lines."""
    size = random.randint(20, 25)
    width = random.randint(780, 980)
    height = round(max(width * random.uniform(1.0, 1.42), (lines + 5) * size * 1.6))
    body, title = random.choice(BODIES), random.choice(TITLES)
    image = Image.new("RGB", (width, height), random.choice(PAPERS))
    return Sheet(
        image,
        font(body, size),
        font(title, round(size * random.uniform(1.4, 1.9))),
        font(body, round(size * 0.8)),
        size * random.uniform(1.5, 3),
        round(width * random.uniform(0.07, 0.11)),
    )


def _card(kind: str, words: Mapping[str, Any], person: Person) -> Image.Image:
    """Draw a card or the page of a passport: title, portrait, labels, and a machine's lines."""
    random, texts = person.random, words[kind]
    width = 1000
    is_passport = kind == "passport"
    height = round(width / (1.42 if is_passport else 1.586))
    image = Image.new("RGB", (width, height), random.choice(CARDS))
    draw = ImageDraw.Draw(image)
    # Fine curves, as against forgers.
    shade = tuple(channel - 14 for channel in image.getpixel((0, 0)))  # type: ignore[union-attr]
    for step in range(-height, width, 26):
        draw.arc((step, -40, step + 520, height + 60), 0, 360, shade, 1)
    body = random.choice(("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf"))
    sheet = Sheet(image, font(body, 27), font(random.choice(TITLES), 40), font(body, 19), 26, 40)
    sheet.line(texts["title"].upper(), sheet.title)
    picture = portrait(random, (250, 320))
    image.paste(picture, (40, 110))
    sheet.y = 104
    labels = texts["labels"]
    room = height - 104 - (140 if is_passport else 20)
    columns = 2 if len(labels) > 6 else 1
    rows = -(-len(labels) // columns)
    for place, label in enumerate(labels):
        x = 320 + (place // rows) * 340
        y = 104 + (place % rows) * room / rows
        draw.text((x, y), label, INK, sheet.small)
        draw.text((x, y + 22), person.value(label), INK, sheet.body)
    if is_passport:
        machine = font("DejaVuSansMono.ttf", 34)
        for place, line in enumerate(_machine_lines(person)):
            draw.text((40, height - 112 + place * 50), line, INK, machine)
    return image


def _machine_lines(person: Person) -> tuple[str, str]:
    """Return the two lines of a passport that machines read (ICAO Doc 9303), of 44 characters."""
    country = person.words["country"]
    surname = [letter for letter in person.surname.upper() if letter.isascii()]
    plain = "".join(filter(str.isalpha, surname))
    given = "".join(letter for letter in person.first_name.upper() if letter.isascii())
    first = f"P<{country}{plain}<<{given}".ljust(44, "<")[:44]

    random = person.random
    number = f"{person.number()}{random.randint(0, 9)}"
    born_on = f"{random.randint(500101, 991231)}{random.randint(0, 9)}"
    valid_until = f"{random.randint(260101, 351231)}{random.randint(0, 9)}"
    second = f"{number}{country}{born_on}F{valid_until}".ljust(42, "<")
    return first, f"{second}{random.randint(10, 99)}"[:44]


def _resume(kind: str, words: Mapping[str, Any], person: Person) -> Image.Image:
    random, texts = person.random, words[kind]
    sheet = _page(random, 26)
    if random.random() < 0.5:
        side = round(sheet.image.width * 0.2)
        corner = (sheet.image.width - side - 50, 50)
        sheet.image.paste(portrait(random, (side, round(side * 1.25))), corner)
    # Many have their name in the place of a title.
    if random.random() < 0.7:
        sheet.line(texts["title"], sheet.title)
    sheet.line(f"{person.first_name} {person.surname}", sheet.title)
    for text in (person.address, person.phone, f"{person.first_name[0].lower()}.x@mail.example"):
        sheet.line(text, sheet.small)
    heading = font("DejaVuSans-Bold.ttf", round(sheet.body.size * 1.1))
    for name in texts["headings"]:
        sheet.y += sheet.body.size * 0.6
        sheet.line(name, heading)
        for text in random.sample(texts["lines"], random.randint(1, 3)):
            year = random.randint(1995, 2022)
            sheet.line(f"{year}-{year + random.randint(1, 4)}  {text}")
    return sheet.image


def _letter(kind: str, words: Mapping[str, Any], person: Person) -> Image.Image:
    random, texts = person.random, words[kind]
    sheet = _page(random, 22)
    for text in (f"{person.first_name} {person.surname}", person.address):
        sheet.line(text)
    sheet.y += sheet.body.size
    sheet.line(f"{person.town}, {person.date(2010, 2025)}", x=round(sheet.image.width * 0.55))
    sheet.y += sheet.body.size * 1.5
    sheet.line(texts["greeting"])
    width = sheet.image.width - 2 * sheet.left
    for _ in range(random.randint(1, 2)):
        sheet.y += sheet.body.size * 0.7
        for line in wrapped(" ".join(texts["lines"]), sheet.body, width):
            sheet.line(line)
    sheet.y += sheet.body.size
    sheet.line(texts["closing"])
    sheet.y += sheet.body.size
    _signature(sheet, random)
    sheet.line(f"{person.first_name} {person.surname}")
    return sheet.image


def _signature(sheet: Sheet, random: Random) -> None:
    points = [(sheet.left + step * 9, sheet.y + random.uniform(-14, 14)) for step in range(18)]
    sheet.draw.line(points, (30, 40, 120), 3, "curve")
    sheet.y += sheet.body.size * 1.4


def _table(kind: str, words: Mapping[str, Any], person: Person) -> Image.Image:
    """Draw an invoice or the statement of an account."""
    random, texts = person.random, words[kind]
    sheet = _page(random, 22)
    sheet.line(texts["title"], sheet.title)
    for text in (f"{person.first_name} {person.surname}", person.address):
        sheet.line(text, sheet.small)
    sheet.y += sheet.body.size * 0.8
    for label in texts["labels"]:
        sheet.beside((f"{label}:", person.value(label)), (9, 48))
    sheet.y += sheet.body.size * 0.8
    sheet.beside(texts["columns"], (9, 50, 75))
    sheet.draw.line((sheet.left, sheet.y - 4, sheet.image.width - sheet.left, sheet.y - 4), INK, 2)
    for text in texts["lines"]:
        amount = f"{random.randint(3, 2400)},{random.randint(0, 99):02}"
        if kind == "invoice":
            sheet.beside((text, str(random.randint(1, 9)), amount), (9, 50, 75))
        else:
            sheet.beside((person.date(2018, 2025), text, amount), (9, 30, 75))
    if "total" in texts:
        sheet.beside((texts["total"], f"{random.randint(50, 9000)},00"), (9, 75))
    sheet.y += sheet.body.size
    sheet.line(texts["note"], sheet.small)
    return sheet.image


def _form(kind: str, words: Mapping[str, Any], person: Person) -> Image.Image:
    random, texts = person.random, words[kind]
    sheet = _page(random, 24)
    sheet.line(texts["title"], sheet.title)
    sheet.line(texts["note"], sheet.small)
    is_filled = random.random() < 0.7
    for label in texts["labels"]:
        sheet.y += sheet.body.size * 0.5
        top = sheet.y + sheet.small.size * 1.3
        sheet.draw.text((sheet.left, sheet.y), label, INK, sheet.small)
        box = (sheet.left, top, sheet.image.width - sheet.left, top + sheet.body.size * 1.5)
        sheet.draw.rectangle(box, outline=(120, 120, 130))
        if is_filled:
            sheet.draw.text(
                (sheet.left + 8, top + 3), person.value(label), (40, 50, 130), sheet.body
            )
        sheet.y = box[3]
    return sheet.image


def _prescription(kind: str, words: Mapping[str, Any], person: Person) -> Image.Image:
    random, texts = person.random, words[kind]
    sheet = _page(random, 16)
    sheet.line(f"Dr. {random.choice(words['names'])[0]}", sheet.title)
    sheet.line(
        f"{random.choice(words['streets'])} {random.randint(1, 90)}, {person.town}", sheet.small
    )
    sheet.y += sheet.body.size
    sheet.line(texts["title"], sheet.title)
    for label in texts["labels"][:3]:
        sheet.beside((f"{label}:", person.value(label)), (9, 45))
    sheet.y += sheet.body.size * 0.6
    for label, text in zip((*texts["labels"][3:], "", ""), texts["lines"], strict=True):
        sheet.beside((label, text), (9, 38))
    sheet.y += sheet.body.size
    _signature(sheet, random)
    sheet.line(texts["note"], sheet.small)
    return sheet.image


_DRAWERS: dict[str, Callable[[str, Mapping[str, Any], Person], Image.Image]] = {
    "identity_card": _card, "passport": _card, "driving_licence": _card, "resume": _resume,
    "letter": _letter, "invoice": _table, "bank_statement": _table, "form": _form,
    "prescription": _prescription,
}  # fmt: skip
