"""The demonstration crawl with its pictures on the loopback site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from demo.crawl import Resource, make_crawl, write_warc
from tests.support.site import Site


def write_demo_crawl(site: Site, path: Path, pages: int | None = None) -> None:
    """Serve the demonstration's pictures, and write a WARC of its pages (or of the first ones)."""
    html: list[Resource] = []
    for resource in make_crawl():
        address = urlsplit(resource.url)
        url = f"{site.origin}/{address.hostname}{address.path}"
        if resource.content_type.startswith("text/html"):
            body = resource.body.replace(b"https://", f"{site.origin}/".encode())
            html.append(replace(resource, url=url, body=body))
        elif resource.status.startswith("200"):
            site.contents[urlsplit(url).path] = resource.body
    write_warc(html[:pages], path)
