"""Draws the scenes of the demonstration.

Nothing here was photographed: a scene (demo/scenes.py) is a kind of thing, a colour and a ground,
drawn with random place, size and grain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from demo.scenes import COLOURS, SPECIAL, Colour, Scene

Draw = ImageDraw.ImageDraw
GRAIN = 5  # standard deviation of the noise, of 255


def picture(scene: Scene, random: Random, side: int = 64) -> Image.Image:
    """Draw a scene as an RGB picture of side x side pixels.

    Equal states of `random` give equal pixels.
    """
    # Drawn at twice the size, because reducing makes edges smooth.
    canvas = Image.new("RGB", (side * 2, side * 2), (12, 12, 14))
    if scene.thing in SPECIAL:
        _SPECIAL_DRAWERS[scene.thing](canvas, random)
    else:
        _coloured(canvas, scene, random)
    small = canvas.resize((side, side), Image.Resampling.LANCZOS)
    return _with_grain(small, random)


def _with_grain(image: Image.Image, random: Random) -> Image.Image:
    """Add noise, as a camera does."""
    generator = np.random.default_rng(random.getrandbits(32))
    grain = generator.normal(0, GRAIN, (image.height, image.width, 1))
    pixels = np.clip(np.asarray(image, np.float32) + grain, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def _shade(colour: Colour, random: Random) -> Colour:
    """Change a colour a little."""

    def change(channel: int) -> int:
        return max(0, min(255, channel + random.randint(-18, 18)))

    red, green, blue = colour
    return change(red), change(green), change(blue)


def _coloured(canvas: Image.Image, scene: Scene, random: Random) -> None:
    """Draw a thing of random size at a random place. The order of draws decides the pixels."""
    side = canvas.width
    colour, _ = COLOURS[scene.colour]
    ground, _ = COLOURS[scene.ground]
    canvas.paste(_shade(ground, random), (0, 0, side, side))
    radius = side * random.uniform(0.24, 0.36)
    x = side * random.uniform(0.4, 0.6)
    y = side * random.uniform(0.4, 0.6)
    draw_thing = _THING_DRAWERS[scene.thing]
    draw_thing(ImageDraw.Draw(canvas), x, y, radius, _shade(colour, random))


def _circle(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _square(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r, y - r, x + r, y + r), fill=fill)


def _triangle(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.polygon(((x, y - r), (x - r, y + r), (x + r, y + r)), fill=fill)


def _star(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    corners = []
    for i in range(10):
        # Outer and inner corners alternate; the first one points up.
        distance = r if i % 2 == 0 else r * 0.4
        angle = math.pi * i / 5 - math.pi / 2
        corners.append((x + distance * math.cos(angle), y + distance * math.sin(angle)))
    draw.polygon(corners, fill=fill)


def _ring(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=int(r * 0.35))


def _cross(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r * 0.3, y - r, x + r * 0.3, y + r), fill=fill)
    draw.rectangle((x - r, y - r * 0.3, x + r, y + r * 0.3), fill=fill)


def _house(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    eaves, ground = y - r * 0.1, y + r
    draw.rectangle((x - r * 0.8, eaves, x + r * 0.8, ground), fill=fill)
    roof = ((x - r, eaves), (x, y - r), (x + r, eaves))
    draw.polygon(roof, fill=(110, 60, 40))
    door = (x - r * 0.2, y + r * 0.4, x + r * 0.2, ground)
    draw.rectangle(door, fill=(70, 45, 30))


def _tree(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    trunk = (x - r * 0.15, y, x + r * 0.15, y + r)
    draw.rectangle(trunk, fill=(100, 65, 35))
    for across, down in ((-0.4, -0.2), (0.4, -0.2), (0, -0.55)):
        crown_x, crown_y = x + r * across, y + r * down
        _circle(draw, crown_x, crown_y, r * 0.45, fill)


def _boat(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    deck, keel = y + r * 0.3, y + r
    half_keel = r * 0.6
    hull = ((x - r, deck), (x + r, deck), (x + half_keel, keel), (x - half_keel, keel))
    draw.polygon(hull, fill=fill)
    sail_foot = y + r * 0.2
    sail = ((x, y - r), (x, sail_foot), (x + r * 0.7, sail_foot))
    draw.polygon(sail, fill=fill)


def _fish(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    back, belly = y - r * 0.5, y + r * 0.5
    draw.ellipse((x - r, back, x + r * 0.5, belly), fill=fill)
    tail = ((x + r * 0.3, y), (x + r, back), (x + r, belly))
    draw.polygon(tail, fill=fill)
    eye_x, eye_y = x - r * 0.6, y - r * 0.1
    _circle(draw, eye_x, eye_y, r * 0.1, (128, 128, 128))


def _flower(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    for petal in range(6):
        angle = petal * math.pi / 3
        petal_x = x + r * 0.6 * math.cos(angle)
        petal_y = y + r * 0.6 * math.sin(angle)
        _circle(draw, petal_x, petal_y, r * 0.35, fill)
    _circle(draw, x, y, r * 0.3, (190, 150, 60))


def _car(draw: Draw, x: float, y: float, r: float, fill: Colour) -> None:
    draw.rectangle((x - r, y - r * 0.1, x + r, y + r * 0.45), fill=fill)
    roof, half_roof, half_sill = y - r * 0.5, r * 0.4, r * 0.6
    cabin = ((x - half_sill, y), (x - half_roof, roof), (x + half_roof, roof), (x + half_sill, y))
    draw.polygon(cabin, fill=fill)
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
    draw = ImageDraw.Draw(canvas)
    side = canvas.width
    body = random.uniform(95, 130)
    draw.ellipse((side * 0.08, side * 0.1, side * 0.92, side * 1.1), fill=_grey(body))
    for lung in (0.32, 0.68):
        box = (side * (lung - 0.15), side * 0.2, side * (lung + 0.15), side * 0.85)
        draw.ellipse(box, fill=_grey(body * 0.4))
    for rib in range(7):
        top = side * (0.2 + rib * 0.09)
        box = (side * 0.12, top, side * 0.88, top + side * 0.3)
        draw.arc(box, 190, 350, fill=_grey(body * 1.3), width=int(side * 0.02))
    # The spine.
    draw.rectangle((side * 0.47, 0, side * 0.53, side), fill=_grey(body * 1.6))
    canvas.paste(canvas.filter(ImageFilter.GaussianBlur(side * 0.012)))


def _hand_xray(canvas: Image.Image, random: Random) -> None:
    draw = ImageDraw.Draw(canvas)
    side = canvas.width
    bone = _grey(random.uniform(170, 220))
    draw.ellipse((side * 0.28, side * 0.5, side * 0.72, side * 0.95), fill=_grey(80))
    for finger in range(5):
        angle = math.pi * (1.15 + finger * 0.175) + random.uniform(-0.04, 0.04)
        for joint in range(3):
            ends = []
            for step in (0.0, 0.12):
                distance = side * (0.2 + joint * 0.15 + step)
                end_x = side / 2 + distance * math.cos(angle)
                end_y = side * 0.75 + distance * math.sin(angle)
                ends.append((end_x, end_y))
            draw.line(ends, fill=bone, width=int(side * 0.045))
    canvas.paste(canvas.filter(ImageFilter.GaussianBlur(side * 0.008)))


def _draw_face(
    draw: Draw, box: tuple[float, float, float, float], skin: Colour, hair: Colour, smile: bool
) -> None:
    """Draw a face inside a box of (left, top, right, bottom)."""
    left, top, right, bottom = box
    width = right - left
    height = bottom - top
    behind_head = (left, top - height * 0.08, right, bottom - height * 0.2)
    draw.ellipse(behind_head, fill=hair)
    head = (left + width * 0.08, top + height * 0.08, right - width * 0.08, bottom)
    draw.ellipse(head, fill=skin)
    for eye in (0.35, 0.65):
        _circle(draw, left + width * eye, top + height * 0.42, width * 0.05, (40, 40, 60))
    mouth = (left + width * 0.33, top + height * 0.6, left + width * 0.67, top + height * 0.82)
    start, end = (20, 160) if smile else (200, 340)
    draw.arc(mouth, start, end, fill=(150, 50, 60), width=max(2, int(width * 0.04)))


def _skin_and_hair(random: Random) -> tuple[Colour, Colour]:
    skin = random.choice(((241, 205, 175), (200, 150, 115), (140, 95, 70), (95, 62, 45)))
    hair = random.choice(((40, 28, 20), (120, 75, 40), (205, 170, 90), (160, 160, 165)))
    return _shade(skin, random), _shade(hair, random)


def _face(canvas: Image.Image, random: Random) -> None:
    side = canvas.width
    canvas.paste(_shade((170, 185, 190), random), (0, 0, side, side))
    skin, hair = _skin_and_hair(random)
    box = (side * 0.22, side * 0.15, side * 0.78, side * 0.9)
    _draw_face(ImageDraw.Draw(canvas), box, skin, hair, smile=True)


def _before_after(canvas: Image.Image, random: Random) -> None:
    side = canvas.width
    canvas.paste(_shade((190, 195, 200), random), (0, 0, side, side))
    skin, hair = _skin_and_hair(random)
    draw = ImageDraw.Draw(canvas)
    for offset, smile in ((0.03, False), (0.53, True)):
        box = (side * offset, side * 0.2, side * (offset + 0.44), side * 0.85)
        _draw_face(draw, box, skin, hair, smile)
    draw.line((side / 2, 0, side / 2, side), fill=(255, 255, 255), width=int(side * 0.02))


_SPECIAL_DRAWERS: dict[str, Callable[[Image.Image, Random], None]] = {
    "chest_xray": _chest_xray, "hand_xray": _hand_xray, "face": _face,
    "before_after": _before_after,
}  # fmt: skip
