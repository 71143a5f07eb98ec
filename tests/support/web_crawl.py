"""A small crawl: pages that show three pictures of the loopback site."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

from demo.pictures import picture
from demo.scenes import Scene
from tests.support.site import Site
from tests.support.warcs import page

SCENES = {
    "/star.png": Scene("star", "red", "white"),
    "/car.png": Scene("car", "blue", "yellow"),
    "/fish.png": Scene("fish", "green", "black"),
}
CAPTIONS = {
    "/star.png": "a star in red on a white background",
    "/car.png": "a car in blue on a yellow background",
    "/fish.png": "a fish in green on a black background",
}


def write_crawl(site: Site, path: Path) -> None:
    """Serve the pictures, and write a WARC of the pages that show them.

    One picture is shown twice, one page reserves its picture, and one picture does not exist.
    """
    for number, (picture_path, scene) in enumerate(SCENES.items()):
        buffer = io.BytesIO()
        picture(scene, Random(number), 128).save(buffer, "PNG")
        site.contents[picture_path] = buffer.getvalue()
    records = [
        page(f"{site.origin}/{number}.html", f'<img src="{picture_path}" alt="{caption}">')
        for number, (picture_path, caption) in enumerate(CAPTIONS.items())
    ]
    others = {
        "again": '<img src="/star.png" alt="other words for the same star">',
        "no": '<meta name=robots content=noai><img src="/fish.png" alt="a fish">',
        "gone": '<img src="/gone.png" alt="a picture that is not there">',
    }
    records += [page(f"{site.origin}/{name}.html", body) for name, body in others.items()]
    path.write_bytes(b"".join(records))


def web_settings(site: Site) -> list[str]:
    """Settings with which `run` fetches from the loopback site."""
    return [
        "fetch.source=web",
        "fetch.contact=https://example.org/bot",
        f"fetch.ports=[{site.port}]",
        "fetch.allow_networks=[127.0.0.1/32]",
    ]
