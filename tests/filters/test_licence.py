from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.pages.page_head import PageHead
from filters.pages.page_types import PageTypes
from filters.rights.licence import Licence, observe_licences
from pairsieve.records.page import Origin, Page
from pairsieve.records.pair import evidence_of_image
from pairsieve.web.html import parse_page

BY, SA = (
    "https://creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by-sa/4.0/",
)
WWW_BY = "https://www.creativecommons.org/licenses/by/3.0"
TERMS = "https://a.example/terms"
IMAGE = "<img src=/1.jpg alt=one>"


def parsed(body: str, headers=()):
    return parse_page(
        Page(
            "https://a.example/",
            (("Content-Type", "text/html"), *headers),
            body.encode(),
            Origin("", 0, "", ""),
        )
    )


def licences(body: str) -> list[tuple[str | None, str | None]]:
    page = parsed(body)
    found = observe_licences(page)
    of_images = [evidence_of_image(found, image.position) for image in page.images]
    return [(own["licence"], own["licence_scope"]) for own in of_images]


def json_ld(value) -> str:
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


@pytest.mark.parametrize(
    ("body", "licence"),
    [
        (f'{IMAGE}<a rel="license" href="{BY}">', (BY, "page")),
        (f'{IMAGE}<link rel="license" type="application/rsl+xml" href="/terms.xml">', (None, None)),
        (f'{IMAGE}<a rel="license" href="https://anna:secret@a.example/terms">', (TERMS, "page")),
        (f'<a rel="license" href="{BY}">{IMAGE}', (BY, "page")),
        (f'<link rel="license" href="{BY}">{IMAGE}', (BY, "page")),
        (f'<link rel="stylesheet" href="{BY}">{IMAGE}', (None, None)),
        (f'<a href="{BY}">CC BY</a>{IMAGE}', (BY, "page")),
        (f'<a href="{SA}"></a><a rel="License nofollow" href="{BY}"></a>{IMAGE}', (BY, "page")),
        (f'<a rel="license" href="{TERMS}"></a>{IMAGE}', (TERMS, "page")),
        (f'<a rel="license" href="{TERMS}"></a><a href="{BY}"></a>{IMAGE}', (BY, "page")),
        (f'<a href="https://creativecommons.org/about/">{IMAGE}', (None, None)),
        # HTML standard, 2.4.1: a URL is read on its page
        (f'<a rel="license" href="/terms"></a>{IMAGE}', (TERMS, "page")),
        (f'<base href="/x/"><link rel="license" href="../terms">{IMAGE}', (TERMS, "page")),
        (f'<a rel="license" href="{BY[6:]}"></a>{IMAGE}', (BY, "page")),
        (f'<a rel="license" href="http://["></a>{IMAGE}', ("http://[", "page")),
        (
            IMAGE + json_ld({"@type": "ImageObject", "url": "/1.jpg", "license": "/terms"}),
            (TERMS, "image"),
        ),
        (
            IMAGE + json_ld({"@type": "ImageObject", "url": "/1.jpg", "license": "all mine"}),
            ("all mine", "image"),
        ),
        # real pages link to www. as well
        (f'<a href="{WWW_BY}">{IMAGE}', (WWW_BY, "page")),
        (f'<a rel="license" href="{TERMS}"></a><a href="{WWW_BY}"></a>{IMAGE}', (WWW_BY, "page")),
        (f'<a rel=license href="{BY}{"x" * 100}"></a>{IMAGE}', ((BY + "x" * 100)[:80], "page")),
        (
            f'<a rel="license" href="{BY}"></a><figure>{IMAGE}<a rel="license" href="{SA}"></a></figure>',
            (SA, "figure"),
        ),
        (
            f'<figure><div>{IMAGE}</div><figcaption><a href="{SA}"></a></figcaption></figure><a rel=license href="{BY}">',
            (SA, "figure"),
        ),
        (f'<figure><a rel="license" href="{SA}"></a></figure>{IMAGE}', (None, None)),
        (
            IMAGE
            + json_ld({"@type": "ImageObject", "contentUrl": "/1.jpg", "license": SA})
            + f'<a rel=license href="{BY}">',
            (SA, "image"),
        ),
        (
            IMAGE
            + json_ld(
                [
                    {
                        "@graph": [
                            {
                                "@type": ["Thing", "ImageObject"],
                                "url": "https://a.example/1.jpg",
                                "license": {"@id": SA},
                            }
                        ]
                    }
                ]
            ),
            (SA, "image"),
        ),
        (
            IMAGE
            + json_ld(
                {"@type": "ImageObject", "contentUrl": "/1.jpg", "acquireLicensePage": TERMS}
            ),
            (TERMS, "image"),
        ),
        (
            IMAGE + json_ld({"@type": "ImageObject", "contentUrl": "/2.jpg", "license": SA}),
            (None, None),
        ),
        (IMAGE + json_ld({"@type": "Article", "url": "/1.jpg", "license": SA}), (None, None)),
        # JSON-LD 1.1, 4.1.2 and 4.1.5: terms, compact IRIs and IRIs mean the same
        (
            IMAGE
            + json_ld(
                {"@type": "schema:ImageObject", "schema:url": "/1.jpg", "schema:license": [SA, BY]}
            ),
            (SA, "image"),
        ),
        (
            IMAGE
            + json_ld(
                {
                    "@type": "http://schema.org/ImageObject",
                    "http://schema.org/contentUrl": [{"@id": "/1.jpg"}],
                    "http://schema.org/license": [{"@value": SA}],
                }
            ),
            (SA, "image"),
        ),
    ],
)
def test_licence(body, licence):
    assert licences(body) == [licence]


OBJECT = '<div itemscope itemtype="https://schema.org/ImageObject">%s</div>'
PICTURE = '<img itemprop="contentUrl" src="/1.jpg" alt="one">'
PERSON = (
    '<p itemprop="creator" itemscope itemtype="https://schema.org/Person">'
    '<meta itemprop="name" content="B">%s</p>'
)
OF_IMAGE, OF_PAGE = (TERMS, "image"), (BY, "page")


@pytest.mark.parametrize(
    ("properties", "licence"),
    [
        # Google's documentation, "Image metadata in Google Images": microdata
        (f'{PICTURE}<i itemprop="license"> {TERMS}</i>{PERSON % ""}', OF_IMAGE),
        (f'{PICTURE}<i itemprop="acquireLicensePage">{TERMS}</i>', OF_IMAGE),
        # HTML standard, 5.2.4 "values"
        (f'{PICTURE}<meta itemprop="license" content="{TERMS}">', OF_IMAGE),
        (f'{PICTURE}<p><link itemprop="license" href="{TERMS}"></p>', OF_IMAGE),
        (
            f"{IMAGE}<meta itemprop='url contentUrl' content=/1.jpg><a itemprop=license href={TERMS}>",
            OF_IMAGE,
        ),
        # of another item, of another picture, of none
        (PICTURE + PERSON % f'<i itemprop="license">{TERMS}</i>', OF_PAGE),
        (f"{IMAGE}<i itemprop=contentUrl>/2.jpg</i><i itemprop=license>{TERMS}</i>", OF_PAGE),
        (PICTURE, OF_PAGE),
    ],
)
def test_microdata_of_an_image(properties, licence):
    assert licences(f'<a rel="license" href="{BY}"></a>' + OBJECT % properties) == [licence]


def test_a_figures_licence_is_not_its_neighbours():
    two = f'<figure>{IMAGE}<a rel=license href="{SA}"></a></figure><figure><img src=/2.jpg alt=two></figure><a rel=license href="{BY}"></a>'
    assert licences(two) == [(SA, "figure"), (BY, "page")]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["ImageObject", "/1.jpg", BY, "http://[", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@type", "license", "contentUrl", "url", "@id", "@graph"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_ld(value):
    body = IMAGE + json_ld(value)
    assert len(licences(body)) == 1
    assert set(PageTypes().load()(parsed(body))) == {"page_types"}


JSON = '{"@type": "ImageObject", "url": "/1.jpg", "license": "https://a.example/terms"}'


@pytest.mark.parametrize(
    "script",
    [
        # JSON-LD 1.1, 7 "embedding JSON-LD in HTML documents", and 8 on its media type
        f'<script type="Application/LD+JSON; charset=utf-8">{JSON}</script>',
        f"<script type='application/ld+json;profile=\"http://www.w3.org/ns/json-ld#expanded\"'>{JSON}</script>",
        # what extruct's tests call invalid, and read all the same
        f'<script type="application/ld+json"><!--\n{JSON}\n--></script>',
        f'<script type="application/ld+json">// a comment\n{JSON}</script>',
        f'<script type="application/ld+json">//<![CDATA[\n{JSON}\n//]]></script>',
        f'<script type="application/ld+json">/*<![CDATA[*/[{JSON}]/*]]>*/</script>',
        '<script type="application/ld+json">{"name": "\t1\n", ' + JSON[1:] + "</script>",
    ],
)
def test_json_ld_as_pages_write_it(script):
    assert licences(IMAGE + script) == [(TERMS, "image")]
    assert PageTypes().load()(parsed(script)) == {"page_types": ("ImageObject",)}


def test_json_ld_that_is_none_or_too_deep():
    assert licences(IMAGE + '<script type="application/ld+json">{oops</script>') == [(None, None)]
    assert licences(IMAGE + json_ld(None).replace("null", "[" * 100_000)) == [(None, None)]


@pytest.mark.parametrize(
    ("body", "headers", "title", "language"),
    [
        ("<html lang=de-AT><title> Ein \n Haus </title>", (), "Ein Haus", "de-at"),
        ("<title>a</title><title>b</title>", [("Content-Language", "FR, en")], "a", "fr"),
        ("<p>nothing", (), "", ""),
        # HTML standard, 3.2.6.2: the attribute, xml:lang in XHTML, the pragma, the header
        ('<meta http-equiv="Content-Language" content="pt-BR">', (), "", "pt-br"),
        ('<html lang=de><meta http-equiv=content-language content="en">', (), "", "de"),
        ('<html xml:lang="fr"><p>', [("Content-Language", "en")], "", "fr"),
        (
            '<meta http-equiv=content-language content=" es ">',
            [("Content-Language", "en")],
            "",
            "es",
        ),
        # as pages write it
        ('<html lang="en_US">', (), "", "en-us"),
        ('<meta http-equiv="content-language" content="de, en">', (), "", "de"),
        (f"<title>{'x' * 1000}</title>", (), "x" * 300, ""),
        # HTML standard, 3.1.5: the title of a drawing is none of the page
        ("<svg><title>Menu</title></svg><title>a</title>", (), "a", ""),
        ("<svg><g><title>Menu</title></g></svg>", (), "", ""),
    ],
)
def test_page_head(body, headers, title, language):
    assert PageHead().load()(parsed(body, headers)) == {
        "page_title": title,
        "page_language": language,
    }


def test_types_on_a_utf_16_page():
    page = Page(
        "https://a.example/",
        (),
        "<p itemtype='https://schema.org/Patient'>".encode("utf-16"),
        Origin("", 0, "", ""),
    )
    assert PageTypes().load()(parse_page(page)) == {"page_types": ("Patient",)}


def test_columns():
    assert set(Licence.columns) == set(observe_licences(parsed(IMAGE)))
