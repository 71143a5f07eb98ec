"""Generated scenes: a picture and what may be said of it in four languages.

Nothing here was photographed: a scene is a kind of thing, a colour and a ground, drawn with random
place, size and grain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Draw = ImageDraw.ImageDraw
Colour = tuple[int, int, int]

# colour -> (RGB, its name in English, German, French, Spanish)
COLOURS: dict[str, tuple[Colour, dict[str, str]]] = {
    "red": ((205, 40, 40), {"en": "red", "de": "Rot", "fr": "rouge", "es": "rojo"}),
    "green": ((50, 150, 60), {"en": "green", "de": "Grün", "fr": "verte", "es": "verde"}),
    "blue": ((45, 75, 200), {"en": "blue", "de": "Blau", "fr": "bleue", "es": "azul"}),
    "yellow": ((240, 210, 60), {"en": "yellow", "de": "Gelb", "fr": "jaune", "es": "amarillo"}),
    "purple": ((130, 60, 160), {"en": "purple", "de": "Violett", "fr": "violette", "es": "morado"}),
    "orange": ((240, 135, 35), {"en": "orange", "de": "Orange", "fr": "orange", "es": "naranja"}),
    "white": ((245, 245, 240), {"en": "white", "de": "Weiß", "fr": "blanche", "es": "blanco"}),
    "black": ((25, 25, 30), {"en": "black", "de": "Schwarz", "fr": "noire", "es": "negro"}),
}

THINGS: dict[str, dict[str, str]] = {
    "circle": {"en": "a circle", "de": "ein Kreis", "fr": "un cercle", "es": "un círculo"},
    "square": {"en": "a square", "de": "ein Quadrat", "fr": "un carré", "es": "un cuadrado"},
    "triangle": {
        "en": "a triangle",
        "de": "ein Dreieck",
        "fr": "un triangle",
        "es": "un triángulo",
    },
    "star": {"en": "a star", "de": "ein Stern", "fr": "une étoile", "es": "una estrella"},
    "ring": {"en": "a ring", "de": "ein Ring", "fr": "un anneau", "es": "un anillo"},
    "cross": {"en": "a cross", "de": "ein Kreuz", "fr": "une croix", "es": "una cruz"},
    "house": {"en": "a house", "de": "ein Haus", "fr": "une maison", "es": "una casa"},
    "tree": {"en": "a tree", "de": "ein Baum", "fr": "un arbre", "es": "un árbol"},
    "boat": {"en": "a boat", "de": "ein Boot", "fr": "un bateau", "es": "un barco"},
    "fish": {"en": "a fish", "de": "ein Fisch", "fr": "un poisson", "es": "un pez"},
    "flower": {"en": "a flower", "de": "eine Blume", "fr": "une fleur", "es": "una flor"},
    "car": {"en": "a car", "de": "ein Auto", "fr": "une voiture", "es": "un coche"},
}

SENTENCES = {
    "en": (
        "{thing} in {colour} on a {ground} background",
        "{colour} {noun} in front of {ground}",
        "picture of {thing}, {colour} on {ground}",
    ),
    "de": (
        "{thing} in {colour} vor einem Hintergrund in {ground}",
        "Bild: {thing}, {colour} auf {ground}",
    ),
    "fr": (
        "{thing} de couleur {colour} sur un fond de couleur {ground}",
        "image : {thing}, couleur {colour}, fond {ground}",
    ),
    "es": (
        "{thing} de color {colour} sobre un fondo de color {ground}",
        "imagen de {thing}, {colour} sobre {ground}",
    ),
}

# Scenes in which colour plays no part, and what is said of them.
SPECIAL: dict[str, dict[str, tuple[str, ...]]] = {
    "chest_xray": {
        "en": (
            "an x-ray picture of a chest",
            "chest radiograph of a patient",
            "x-ray of the lungs and ribs",
        ),
        "de": ("ein Röntgenbild der Brust", "Röntgenaufnahme der Lunge"),
        "fr": ("une radiographie du thorax", "radio des poumons"),
        "es": ("una radiografía de tórax", "placa de los pulmones"),
    },
    "hand_xray": {
        "en": (
            "an x-ray picture of a hand",
            "hand radiograph showing the bones",
            "x-ray of a broken finger",
        ),
        "de": ("ein Röntgenbild der Hand", "Röntgenaufnahme der Finger"),
        "fr": ("une radiographie de la main", "radio des doigts"),
        "es": ("una radiografía de la mano", "placa de los dedos"),
    },
    "face": {
        "en": ("a portrait of a person", "drawing of a smiling face", "a face looking at you"),
        "de": ("ein Porträt einer Person", "Zeichnung eines lächelnden Gesichts"),
        "fr": ("le portrait d'une personne", "dessin d'un visage souriant"),
        "es": ("el retrato de una persona", "dibujo de una cara sonriente"),
    },
    "before_after": {
        "en": (
            "two photos of a face before and after surgery",
            "before and after treatment of a patient",
            "before and after pictures, side by side",
        ),
        "de": (
            "zwei Fotos eines Gesichts vor und nach der Operation",
            "vorher und nachher, nebeneinander",
        ),
        "fr": ("deux photos d'un visage avant et après l'opération", "avant et après, côte à côte"),
        "es": (
            "dos fotos de una cara antes y después de la cirugía",
            "antes y después, lado a lado",
        ),
    },
}


@dataclass(frozen=True, order=True)
class Scene:
    """What a picture shows: a thing in a colour on a ground, or one of `SPECIAL` (colours
    empty).
    """

    thing: str
    colour: str = ""
    ground: str = ""


def all_scenes() -> list[Scene]:
    """Every scene there is, in a fixed order."""
    coloured = [Scene(t, c, g) for t in THINGS for c in COLOURS for g in COLOURS if c != g]
    return coloured + [Scene(name) for name in SPECIAL]


def caption(scene: Scene, language: str, random: Random) -> str:
    """One sentence that is true of the scene, in `language` (en, de, fr or es)."""
    if scene.thing in SPECIAL:
        return random.choice(SPECIAL[scene.thing][language])
    thing = THINGS[scene.thing][language]
    return random.choice(SENTENCES[language]).format(
        thing=thing,
        noun=thing.split()[-1],
        colour=COLOURS[scene.colour][1][language],
        ground=COLOURS[scene.ground][1][language],
    )


def picture(scene: Scene, random: Random, side: int = 64) -> Image.Image:
    """The scene as an RGB picture of side x side pixels; equal random states give equal pixels."""
    canvas = Image.new("RGB", (side * 2, side * 2), (12, 12, 14))
    if scene.thing in SPECIAL:
        _SPECIAL_DRAWERS[scene.thing](canvas, random)
    else:
        _coloured(canvas, scene, random)
    small = canvas.resize((side, side), Image.Resampling.LANCZOS)
    return _with_grain(small, random)


def _with_grain(image: Image.Image, random: Random) -> Image.Image:
    grain = np.random.default_rng(random.getrandbits(32)).normal(
        0, 5, (image.height, image.width, 1)
    )
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + grain, 0, 255).astype(np.uint8))


def _shade(colour: Colour, random: Random) -> Colour:
    red, green, blue = (max(0, min(255, channel + random.randint(-18, 18))) for channel in colour)
    return red, green, blue


def _coloured(canvas: Image.Image, scene: Scene, random: Random) -> None:
    side = canvas.width
    canvas.paste(_shade(COLOURS[scene.ground][0], random), (0, 0, side, side))
    radius = side * random.uniform(0.24, 0.36)
    x, y = (side * random.uniform(0.4, 0.6) for _ in range(2))
    _THING_DRAWERS[scene.thing](
        ImageDraw.Draw(canvas), x, y, radius, _shade(COLOURS[scene.colour][0], random)
    )


def _circle(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _square(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r, y - r, x + r, y + r), fill=fill)


def _triangle(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.polygon(((x, y - r), (x - r, y + r), (x + r, y + r)), fill=fill)


def _star(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    spikes = [(r if i % 2 == 0 else r * 0.4, math.pi * i / 5 - math.pi / 2) for i in range(10)]
    draw.polygon([(x + s * math.cos(a), y + s * math.sin(a)) for s, a in spikes], fill=fill)


def _ring(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=int(r * 0.35))


def _cross(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r * 0.3, y - r, x + r * 0.3, y + r), fill=fill)
    draw.rectangle((x - r, y - r * 0.3, x + r, y + r * 0.3), fill=fill)


def _house(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r * 0.8, y - r * 0.1, x + r * 0.8, y + r), fill=fill)
    draw.polygon(((x - r, y - r * 0.1), (x, y - r), (x + r, y - r * 0.1)), fill=(110, 60, 40))
    draw.rectangle((x - r * 0.2, y + r * 0.4, x + r * 0.2, y + r), fill=(70, 45, 30))


def _tree(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r * 0.15, y, x + r * 0.15, y + r), fill=(100, 65, 35))
    for dx, dy in ((-0.4, -0.2), (0.4, -0.2), (0, -0.55)):
        _circle(draw, x + r * dx, y + r * dy, r * 0.45, fill)


def _boat(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.polygon(
        ((x - r, y + r * 0.3), (x + r, y + r * 0.3), (x + r * 0.6, y + r), (x - r * 0.6, y + r)),
        fill=fill,
    )
    draw.polygon(((x, y - r), (x, y + r * 0.2), (x + r * 0.7, y + r * 0.2)), fill=fill)


def _fish(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.ellipse((x - r, y - r * 0.5, x + r * 0.5, y + r * 0.5), fill=fill)
    draw.polygon(((x + r * 0.3, y), (x + r, y - r * 0.5), (x + r, y + r * 0.5)), fill=fill)
    _circle(draw, x - r * 0.6, y - r * 0.1, r * 0.1, (128, 128, 128))


def _flower(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    for i in range(6):
        _circle(
            draw,
            x + r * 0.6 * math.cos(i * math.pi / 3),
            y + r * 0.6 * math.sin(i * math.pi / 3),
            r * 0.35,
            fill,
        )
    _circle(draw, x, y, r * 0.3, (190, 150, 60))


def _car(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r, y - r * 0.1, x + r, y + r * 0.45), fill=fill)
    draw.polygon(
        (
            (x - r * 0.6, y),
            (x - r * 0.4, y - r * 0.5),
            (x + r * 0.4, y - r * 0.5),
            (x + r * 0.6, y),
        ),
        fill=fill,
    )
    for wheel in (-0.5, 0.5):
        _circle(draw, x + r * wheel, y + r * 0.5, r * 0.22, (90, 90, 90))


_THING_DRAWERS: dict[str, Callable[[Draw, float, float, float, Colour], None]] = {
    "circle": _circle, "square": _square, "triangle": _triangle, "star": _star, "ring": _ring,
    "cross": _cross,
    "house": _house, "tree": _tree, "boat": _boat, "fish": _fish, "flower": _flower, "car": _car,
}  # fmt: skip


def _grey(value: float) -> Colour:
    level = int(max(0, min(255, value)))
    return level, level, level


def _chest_xray(canvas: Image.Image, random: Random) -> None:
    draw, side = ImageDraw.Draw(canvas), canvas.width
    body = random.uniform(95, 130)
    draw.ellipse((side * 0.08, side * 0.1, side * 0.92, side * 1.1), fill=_grey(body))
    for centre in (0.32, 0.68):
        draw.ellipse(
            (side * (centre - 0.15), side * 0.2, side * (centre + 0.15), side * 0.85),
            fill=_grey(body * 0.4),
        )
    for rib in range(7):
        top = side * (0.2 + rib * 0.09)
        draw.arc(
            (side * 0.12, top, side * 0.88, top + side * 0.3),
            190,
            350,
            fill=_grey(body * 1.3),
            width=int(side * 0.02),
        )
    draw.rectangle((side * 0.47, 0, side * 0.53, side), fill=_grey(body * 1.6))
    canvas.paste(canvas.filter(ImageFilter.GaussianBlur(side * 0.012)))


def _hand_xray(canvas: Image.Image, random: Random) -> None:
    draw, side = ImageDraw.Draw(canvas), canvas.width
    bone = _grey(random.uniform(170, 220))
    draw.ellipse((side * 0.28, side * 0.5, side * 0.72, side * 0.95), fill=_grey(80))
    for finger in range(5):
        angle = math.pi * (1.15 + finger * 0.175) + random.uniform(-0.04, 0.04)
        for joint in range(3):
            near, far = (side * (0.2 + joint * 0.15 + step) for step in (0.0, 0.12))
            ends = [
                (side / 2 + d * math.cos(angle), side * 0.75 + d * math.sin(angle))
                for d in (near, far)
            ]
            draw.line(ends, fill=bone, width=int(side * 0.045))
    canvas.paste(canvas.filter(ImageFilter.GaussianBlur(side * 0.008)))


def _draw_face(
    draw: Draw, box: tuple[float, float, float, float], skin: Colour, hair: Colour, smile: bool
) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    draw.ellipse((left, top - height * 0.08, right, bottom - height * 0.2), fill=hair)
    draw.ellipse(
        (left + width * 0.08, top + height * 0.08, right - width * 0.08, bottom), fill=skin
    )
    for eye in (0.35, 0.65):
        _circle(draw, left + width * eye, top + height * 0.42, width * 0.05, (40, 40, 60))
    mouth = (left + width * 0.33, top + height * 0.6, left + width * 0.67, top + height * 0.82)
    draw.arc(
        mouth,
        *((20, 160) if smile else (200, 340)),
        fill=(150, 50, 60),
        width=max(2, int(width * 0.04)),
    )


def _colours_of_a_person(random: Random) -> tuple[Colour, Colour]:
    skin = random.choice(((241, 205, 175), (200, 150, 115), (140, 95, 70), (95, 62, 45)))
    hair = random.choice(((40, 28, 20), (120, 75, 40), (205, 170, 90), (160, 160, 165)))
    return _shade(skin, random), _shade(hair, random)


def _face(canvas: Image.Image, random: Random) -> None:
    side = canvas.width
    canvas.paste(_shade((170, 185, 190), random), (0, 0, side, side))
    skin, hair = _colours_of_a_person(random)
    _draw_face(
        ImageDraw.Draw(canvas),
        (side * 0.22, side * 0.15, side * 0.78, side * 0.9),
        skin,
        hair,
        smile=True,
    )


def _before_after(canvas: Image.Image, random: Random) -> None:
    side = canvas.width
    canvas.paste(_shade((190, 195, 200), random), (0, 0, side, side))
    skin, hair = _colours_of_a_person(random)
    draw = ImageDraw.Draw(canvas)
    for offset, smile in ((0.03, False), (0.53, True)):
        _draw_face(
            draw,
            (side * offset, side * 0.2, side * (offset + 0.44), side * 0.85),
            skin,
            hair,
            smile,
        )
    draw.line((side / 2, 0, side / 2, side), fill=(255, 255, 255), width=int(side * 0.02))


_SPECIAL_DRAWERS: dict[str, Callable[[Image.Image, Random], None]] = {
    "chest_xray": _chest_xray, "hand_xray": _hand_xray, "face": _face,
    "before_after": _before_after,
}  # fmt: skip
