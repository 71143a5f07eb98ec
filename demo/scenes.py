"""Scenes of the demonstration, and captions that are true of them in four languages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random

Colour = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""

# Colour -> (RGB, its name in English, German, French and Spanish).
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

# Thing -> its name with an article, by language.
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

# Language -> patterns of captions.
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

# Scenes without a colour -> captions by language.
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
    """What a picture shows: a thing in a colour on a ground.

    For one of `SPECIAL` both colours are empty.
    """

    thing: str
    colour: str = ""
    ground: str = ""


def all_scenes() -> list[Scene]:
    """Return every scene, in a fixed order."""
    scenes = []
    for thing, colour, ground in product(THINGS, COLOURS, COLOURS):
        # On a ground of its own colour a thing cannot be seen.
        if colour != ground:
            scenes.append(Scene(thing, colour, ground))
    return scenes + [Scene(name) for name in SPECIAL]


def caption(scene: Scene, language: str, random: Random) -> str:
    """Return a sentence that is true of the scene; `language` is en, de, fr or es."""
    if scene.thing in SPECIAL:
        return random.choice(SPECIAL[scene.thing][language])
    thing = THINGS[scene.thing][language]
    _, colour_names = COLOURS[scene.colour]
    _, ground_names = COLOURS[scene.ground]
    sentence = random.choice(SENTENCES[language])
    return sentence.format(
        thing=thing,
        # Without the article.
        noun=thing.split()[-1],
        colour=colour_names[language],
        ground=ground_names[language],
    )
