"""Everyday pictures that are no documents, most of them with writing in them, from seeds.

Photographs, charts, the demonstration's scenes, posters, signs, memes, packaging, book covers,
menus, pages of prose, screens, and photographs under the watermark of an agency. A part are traps:
posters and covers about passports, résumés, invoices and prescriptions. `everyday(number)` is the
same picture on every machine. The set was frozen before the detector's thresholds and words were
written.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageFont

from benchmarks.rendering import (
    Colour,
    as_served,
    cropped_photograph,
    font,
    on_a_desk,
    text_width,
    wrapped,
)
from demo.pictures import picture
from demo.scenes import all_scenes

SEED = 29
FACES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf", "STIXGeneralBol.ttf")
POSTERS = (
    "Summer festival on the river, live music, 14 July, free entry",
    "Sommerfest im Stadtpark, Live-Musik und Tanz, Samstag ab 18 Uhr",
    "Grande braderie d'automne, centre-ville, dimanche 12 octobre",
    "Feria del libro, del 3 al 9 de mayo, entrada libre",
    "Concerto di primavera, teatro comunale, ore 21",
    "Kerstmarkt op het plein, vrijdag en zaterdag, glühwein",
    "Jarmark świąteczny na rynku, sobota i niedziela",
    "Festa da aldeia, música ao vivo, sábado à noite",
    "Big sale, 50 % off everything, this weekend only",
    "Missing cat, grey with white paws, please call if you see her",
    "Election 2024, vote for your town council",
    "Learn to swim, courses for children and adults, sign up today",
)
TRAPS = (
    "How to write a curriculum vitae that gets you hired",
    "Ten tips for your job interview and your cover letter",
    "Lebenslauf schreiben leicht gemacht: Tipps und Muster",
    "Passport to adventure: travel the world with us",
    "Renew your passport online, save time and money",
    "Votre passeport pour l'emploi, salon des métiers",
    "Invoice software for small businesses, try it free",
    "Rechnung bezahlt? Die App für deine Finanzen",
    "Prescription for a happy life: laugh every day",
    "Receta de la abuela: tortilla de patatas con cebolla",
    "Recept voor appeltaart: bloem, boter, suiker, appels",
    "Bank statement or not: the thriller of the year",
    "The identity card: a history of papers and borders",
    "Dear John, a love story in letters",
    "Form follows function, lectures on architecture",
    "Open your account today, no fees, new customers only",
    "Driving licence in two weeks, driving school Miller",
    "Patient safety week, wash your hands",
    "Name of the rose, address unknown, date of issue: a crime novel",
    "Prawo jazdy od zera, szkoła jazdy, zapisy trwają",
)
SIGNS = (
    "BAKERY", "Open 9-18", "EXIT", "Apotheke", "Boulangerie", "Panadería", "No parking", "STOP",
    "Farmacia", "Coffee & Tea", "Toilets", "Kino", "Hotel Central", "Bus 42", "Welcome to Leeds",
    "Fresh fish", "Einbahnstraße", "Sortie", "Salida", "Księgarnia", "Libreria", "Bäckerei Huber",
)  # fmt: skip
MEMES = (
    "when the code works on the first try", "me waiting for the weekend", "one does not simply",
    "brace yourselves, exams are coming", "not sure if monday or just tired",
    "such wow, much picture", "ich nach drei tassen kaffee", "quand c'est vendredi", "yo un lunes",
    "keep calm and carry on", "nobody: absolutely nobody: my cat at 3 am", "happy birthday grandma",
)  # fmt: skip
PACKAGES = (
    ("Oat Flakes", "whole grain, 500 g, best before see bottom"),
    ("Zahncreme", "75 ml, mit Fluorid, für die tägliche Pflege"),
    ("Chocolat noir", "70 % cacao, 100 g, à consommer de préférence avant"),
    ("Aceite de oliva", "virgen extra, 1 litro, producto de España"),
    ("Pasta", "500 g, cottura 9 minuti, semola di grano duro"),
    ("Appelsap", "1 liter, zonder toegevoegde suiker"),
    ("Herbata", "20 torebek, napar ziołowy, 30 g"),
    ("Sabonete", "azeite e limão, 90 g, uso diário"),
    ("Vitamin C", "60 tablets, 500 mg, food supplement, one tablet a day"),
    ("Shampoo", "for dry hair, 250 ml, aqua, sodium chloride, parfum"),
)
BOOKS = (
    ("The Lighthouse Keeper", "a novel"), ("Garten im Winter", "Gedichte"),
    ("Histoire de Paris", "tome II"), ("Cien recetas", "cocina fácil"), ("Il mare", "romanzo"),
    ("De fiets", "een geschiedenis"), ("Góry", "przewodnik"), ("O rio", "contos"),
    ("Linear Algebra", "third edition"), ("Learn Python", "for beginners"),
)  # fmt: skip
DISHES = (
    "Tomato soup", "Green salad", "Fish and chips", "Schnitzel", "Moules frites", "Paella",
    "Lasagne", "Pannenkoeken", "Pierogi", "Bacalhau", "Espresso", "Mineral water", "Red wine",
)  # fmt: skip
PROSE = (
    "The road went down to the sea, and at the end of it stood a house that nobody had lived in for years. In summer children played around it, and in winter the wind did.",
    "Am Morgen lag Nebel über dem See, und die Boote schienen in der Luft zu hängen. Niemand sprach, denn jeder hörte auf das Läuten von der anderen Seite.",
    "La ville dormait encore quand le premier tram traversa le pont. Les lampes s'éteignaient l'une après l'autre, et le fleuve prenait la couleur du ciel.",
    "En la plaza no había nadie, solo un perro que buscaba la sombra. El reloj daba las tres y el calor hacía temblar las piedras de la fuente.",
    "Water is a molecule of two atoms of hydrogen and one of oxygen. It boils at one hundred degrees and freezes at zero, and it expands when it does.",
)
MENUS = ("File Edit View Tools Help", "Home News Sport Weather", "Layer Colours Filters Windows")
AGENCIES = (
    "alamy",
    "shutterstock",
    "gettyimages",
    "dreamstime",
    "depositphotos",
    "123RF",
    "iStock",
)


@dataclass(frozen=True)
class EverydayPicture:
    """A picture that is no document, its kind, and the words that were written into it.

    `watermark`: whether the writing is the watermark of an agency.
    """

    name: str
    kind: str
    image: Image.Image
    text: str = ""
    watermark: bool = False


@dataclass(frozen=True)
class Drawn:
    """A picture before it is served, and what is written in it."""

    image: Image.Image
    text: str = ""


def everyday(number: int) -> EverydayPicture:
    """Return picture `number`; kinds take turns by `_KINDS`."""
    random = Random(f"everyday {SEED} {number}")
    kind = _KINDS[number % len(_KINDS)]
    drawn = _DRAWERS[kind](random)
    image = as_served(drawn.image, random, (224, 900))
    return EverydayPicture(f"{kind}_{number}", kind, image, drawn.text, kind == "watermark")


def _colour(random: Random, low: int = 0, high: int = 255) -> Colour:
    return random.randint(low, high), random.randint(low, high), random.randint(low, high)


def _photo(random: Random) -> Drawn:
    size = (random.randint(400, 900), random.randint(400, 900))
    return Drawn(cropped_photograph(random, size))


def _scene(random: Random) -> Drawn:
    return Drawn(picture(random.choice(all_scenes()), random, 256))


def _chart(random: Random) -> Drawn:
    from matplotlib.figure import Figure

    figure = Figure((random.uniform(4, 8), random.uniform(3, 6)), 100)
    axes = figure.subplots()
    values = [random.uniform(1, 100) for _ in range(random.randint(4, 12))]
    years = list(range(2000, 2000 + len(values)))
    style = random.choice(("line", "bar", "barh", "scatter"))
    if style == "line":
        axes.plot(years, values)
        axes.plot(years, values[::-1])
    elif style == "scatter":
        axes.scatter(values, values[::-1])
    else:
        getattr(axes, style)([f"Group {i}" for i in range(len(values))], values)
    title = random.choice(("Rainfall by month", "Umsatz in Mio. Euro", "Population", "Total sales"))
    axes.set_title(title)
    axes.set_xlabel(random.choice(("Year", "Date", "Amount", "Age")))
    axes.set_ylabel(random.choice(("Count", "Balance", "Temperature", "Price")))
    figure.legend(["north", "south"])
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return Drawn(Image.open(stream).convert("RGB"), title)


def _ground(random: Random, size: tuple[int, int]) -> Image.Image:
    """Return a photograph or a plain colour."""
    if random.random() < 0.5:
        return cropped_photograph(random, size)
    return Image.new("RGB", size, _colour(random))


def _contrast(image: Image.Image) -> Colour:
    """Return white for a dark picture, and black for a bright one."""
    red, green, blue = image.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return (15, 15, 15) if red + green + blue > 384 else (250, 250, 250)


def _lines(
    image: Image.Image, text: str, face: ImageFont.FreeTypeFont, top: float, fill: Colour
) -> float:
    """Write centred lines from `top` on; return where they end."""
    canvas = ImageDraw.Draw(image)
    for line in wrapped(text, face, round(image.width * 0.86)):
        x = (image.width - text_width(line, face)) / 2
        canvas.text(
            (x, top), line, fill, face, stroke_width=2, stroke_fill=tuple(255 - c for c in fill)
        )
        top += face.size * 1.25
    return top


def _poster_of(texts: tuple[str, ...], random: Random) -> Drawn:
    size = (random.randint(500, 800), random.randint(700, 1000))
    image, text = _ground(random, size), random.choice(texts)
    face = font(random.choice(FACES), random.randint(38, 62))
    _lines(image, text, face, size[1] * random.uniform(0.05, 0.4), _contrast(image))
    return Drawn(image, text)


def _poster(random: Random) -> Drawn:
    return _poster_of(POSTERS, random)


def _trap(random: Random) -> Drawn:
    return _poster_of(TRAPS, random)


def _sign(random: Random) -> Drawn:
    image = cropped_photograph(random, (700, 520))
    text = random.choice(SIGNS)
    face = font(random.choice(FACES), random.randint(34, 70))
    board = Image.new("RGB", (text_width(text, face) + 50, round(face.size * 1.7)), _colour(random))
    ImageDraw.Draw(board).text((25, 8), text, _contrast(board), face)
    board = board.rotate(random.uniform(-8, 8), Image.Resampling.BICUBIC, expand=True)
    image.paste(board, (random.randint(0, 250), random.randint(0, 300)))
    return Drawn(image, text)


def _meme(random: Random) -> Drawn:
    image = cropped_photograph(random, (640, 560))
    text = random.choice(MEMES).upper()
    face = font("DejaVuSans-Bold.ttf", random.randint(30, 44))
    _lines(image, text, face, random.choice((10, 430)), (255, 255, 255))
    return Drawn(image, text)


def _package(random: Random) -> Drawn:
    title, small = random.choice(PACKAGES)
    image = Image.new("RGB", (random.randint(420, 700), random.randint(500, 800)), _colour(random))
    picture = cropped_photograph(random, (image.width - 120, image.height // 3))
    image.paste(picture, (60, image.height // 2))
    ink = _contrast(image)
    end = _lines(image, title, font(random.choice(FACES), 56), 60, ink)
    _lines(image, small, font("DejaVuSans.ttf", 22), end + 20, ink)
    return Drawn(on_a_desk(image, random) if random.random() < 0.5 else image, f"{title} {small}")


def _book(random: Random) -> Drawn:
    title, small = random.choice(BOOKS)
    image = _ground(random, (560, 800))
    ink = _contrast(image)
    end = _lines(image, title, font(random.choice(FACES), 60), 90, ink)
    _lines(image, small, font("DejaVuSerif.ttf", 30), end + 30, ink)
    author = random.choice(("A. Miller", "J. Huber", "C. Moreau", "R. Castro"))
    _lines(image, author, font("DejaVuSans.ttf", 30), 690, ink)
    return Drawn(
        on_a_desk(image, random) if random.random() < 0.5 else image, f"{title} {small} {author}"
    )


def _price_list(random: Random) -> Drawn:
    image = Image.new("RGB", (640, 860), random.choice(((252, 250, 242), (40, 44, 42))))
    ink, canvas = _contrast(image), ImageDraw.Draw(image)
    face = font(random.choice(FACES), 28)
    _lines(
        image,
        random.choice(("Menu", "Speisekarte", "La carte", "Today")),
        font(FACES[1], 48),
        30,
        ink,
    )
    dishes = random.sample(DISHES, 9)
    for row, dish in enumerate(dishes):
        canvas.text((60, 130 + row * 66), dish, ink, face)
        canvas.text(
            (500, 130 + row * 66), f"{random.randint(2, 28)},{random.choice('059')}0", ink, face
        )
    return Drawn(image, " ".join(dishes))


def _prose(random: Random) -> Drawn:
    """Draw the page of a book or newspaper: as much text as a letter, and nobody's."""
    image = Image.new("RGB", (760, 980), random.choice(((255, 255, 255), (246, 240, 224))))
    face = font(random.choice(("DejaVuSerif.ttf", "STIXGeneral.ttf", "DejaVuSans.ttf")), 24)
    top = 60.0
    texts = random.sample(PROSE, 3)
    canvas = ImageDraw.Draw(image)
    for text in texts:
        for line in wrapped(text, face, 640):
            canvas.text((60, top), line, (20, 20, 20), face)
            top += face.size * 1.4
        top += 20
    return Drawn(on_a_desk(image, random) if random.random() < 0.4 else image, " ".join(texts))


def _screen(random: Random) -> Drawn:
    """Draw the window of a program, or a page of the web."""
    image = Image.new("RGB", (960, 640), (236, 236, 238))
    canvas, face = ImageDraw.Draw(image), font("DejaVuSans.ttf", 20)
    menu = random.choice(MENUS)
    canvas.rectangle((0, 0, 960, 40), (60, 66, 80))
    canvas.text((16, 8), menu, (240, 240, 240), face)
    image.paste(cropped_photograph(random, (520, 420)), (30, 80))
    labels = random.sample(
        (
            "Name",
            "Size",
            "Search",
            "Log in",
            "Settings",
            "Width",
            "Opacity",
            "Cancel",
            "Subscribe",
            "Date",
            "Language",
        ),
        6,
    )
    for row, label in enumerate(labels):
        canvas.text((600, 90 + row * 60), f"{label}: {random.randint(1, 99)}", (30, 30, 30), face)
    return Drawn(image, f"{menu} {' '.join(labels)}")


def _watermark(random: Random) -> Drawn:
    image = cropped_photograph(random, (720, 520))
    agency = random.choice(AGENCIES)
    layer = Image.new("RGBA", image.size)
    canvas = ImageDraw.Draw(layer)
    face = font(random.choice(FACES), random.randint(34, 60))
    strength = random.randint(110, 210)
    for row in range(random.randint(1, 3)):
        place = (random.randint(10, 330), 60 + row * 160 + random.randint(-20, 20))
        canvas.text(place, agency, (255, 255, 255, strength), face)
    return Drawn(Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB"), agency)


_DRAWERS: dict[str, Callable[[Random], Drawn]] = {
    "photo": _photo, "scene": _scene, "chart": _chart, "poster": _poster, "trap": _trap,
    "sign": _sign, "meme": _meme, "package": _package, "book": _book, "menu": _price_list,
    "prose": _prose, "screen": _screen, "watermark": _watermark,
}  # fmt: skip
# Twenty turns: how often each kind comes.
_KINDS = (
    "photo", "poster", "meme", "chart", "photo", "sign", "package", "scene", "book", "photo",
    "menu", "trap", "photo", "prose", "meme", "photo", "screen", "watermark", "sign", "trap",
)  # fmt: skip
