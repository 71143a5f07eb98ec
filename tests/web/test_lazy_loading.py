"""What lazy loaders write into a page, each as its own documentation or plugin writes it."""

from __future__ import annotations

import pytest

from pairsieve.records.page import Origin, Page
from pairsieve.web.html import parse_page
from pairsieve.web.picture_urls import is_stand_in, is_template

GIF = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
SVG = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%20300%20200'%3E%3C/svg%3E"


def references(body):
    page = Page(
        "https://a.example/d/p.html",
        (("Content-Type", "text/html"),),
        f"<body>{body}".encode(),
        Origin("x", 0, "", ""),
    )
    return [
        image.url.removeprefix("https://a.example/d/") for image in parse_page(page, "best").images
    ]


SHAPES = {
    "lazysizes": ('<img class="lazyload" data-src="r.jpg" alt=words>', "r.jpg"),
    "lazysizes, low quality first": (
        '<img class="lazyload blur-up" src="low.jpg" data-src="r.jpg" alt=words>',
        "r.jpg",
    ),
    "lazysizes, srcset": (
        f'<img class="lazyload" data-sizes="auto" srcset="{GIF}" data-srcset="s.jpg 300w, r.jpg 900w" alt=words>',
        "r.jpg",
    ),
    "lazysizes, widths": (
        '<img class="lazyload" src="p_300x300.jpg" data-src="p_{width}x.jpg?v=1" data-widths="[180, 360, 1296]" alt=words>',
        "p_1296x.jpg?v=1",
    ),
    "Shopify without widths": (
        '<img class="lazyload" data-src="//cdn.shopify.example/p_{width}x.jpg" alt=words>',
        "https://cdn.shopify.example/p_1080x.jpg",
    ),
    "jQuery lazyload": (
        '<img class="lazy" src="img/grey.gif" data-original="r.jpg" alt=words>',
        "r.jpg",
    ),
    "jQuery lazyload, no suffix": (
        f'<img src="{GIF}" data-original="/image/123" alt=words>',
        "https://a.example/image/123",
    ),
    "about:blank": ('<img src="about:blank" data-src="r.jpg" alt=words>', "r.jpg"),
    "Cloudflare Mirage": (
        '<img data-cfsrc="r.jpg" alt=words style="display:none;visibility:hidden;"><noscript><img src="r.jpg" alt=words></noscript>',
        "r.jpg",
    ),
    "NitroPack": (
        '<img nitro-lazy-src="r.jpg" class="nitro-lazy" src="data:image/svg+xml;nitro-empty-id=MTox-1;base64,PHN2Zz4=" alt=words>',
        "r.jpg",
    ),
    "NitroPack, srcset": (
        f'<img nitro-lazy-srcset="s.jpg 300w, r.jpg 900w" nitro-lazy-src="s.jpg" src="{SVG}" alt=words>',
        "r.jpg",
    ),
    "WP Rocket": (
        f'<img src="{SVG}" data-lazy-src="r.jpg" data-lazy-srcset="s.jpg 300w, r.jpg 900w" alt=words><noscript><img src="r.jpg" srcset="s.jpg 300w, r.jpg 900w" alt=words></noscript>',
        "r.jpg",
    ),
    "Jetpack": (
        f'<img src="r.jpg" class="jetpack-lazy-image" data-lazy-src="r.jpg?is-pending-load=1" srcset="{GIF}" alt=words>',
        "r.jpg",
    ),
    "a3": (
        '<img class="lazy lazy-hidden" src="//a.example/wp-content/plugins/a3-lazy-load/assets/images/lazy_placeholder.gif" data-lazy-type="image" data-src="r.jpg" alt=words>',
        "r.jpg",
    ),
    "bLazy": (f'<img class="b-lazy" src="{GIF}" data-src="s.jpg|r.jpg" alt=words>', "r.jpg"),
    "unveil": (
        '<img src="bg.png" class="unveil" data-src="s.jpg" data-src-retina="s-2x.jpg" alt=words>',
        "s.jpg",
    ),
    "BJ Lazy Load": (
        f'<img src="{GIF}" data-lazy-type="image" data-lazy-src="r.jpg" alt=words>',
        "r.jpg",
    ),
    "LiteSpeed": (f'<img data-lazyloaded="1" src="{GIF}" data-src="r.jpg" alt=words>', "r.jpg"),
    "Smush": (
        f'<img data-src="r.jpg" src="{GIF}" class="lazyload" style="--smush-placeholder-width: 300px;" alt=words>',
        "r.jpg",
    ),
    "Autoptimize": (
        f'<noscript><img src="r.jpg" alt=words></noscript><img class="lazyload" src="{SVG}" data-src="r.jpg" alt=words>',
        "r.jpg",
    ),
    "EWWW": (
        f'<img src="{GIF}" data-src="r.jpg" data-eio-rwidth="900" data-eio-rheight="600" class="ewww_webp_lazy_load" alt=words>',
        "r.jpg",
    ),
    "WP Fastest Cache": (f'<img src="{GIF}" data-wpfc-original-src="r.jpg" alt=words>', "r.jpg"),
    "Breeze": (f'<img class="br-lazy" src="{GIF}" data-breeze="r.jpg" alt=words>', "r.jpg"),
    "Optimole": (
        f'<img src="{SVG}" data-opt-src="https://x.i.optimole.example/w:auto/r.jpg" alt=words>',
        "https://x.i.optimole.example/w:auto/r.jpg",
    ),
    "mod_pagespeed": (
        '<img data-pagespeed-lazy-src="r.jpg" src="/pagespeed_static/1.JiBnMqyl6S.gif" alt=words>',
        "r.jpg",
    ),
    "Ezoic": ('<img src="/x/1x1.png" data-ezsrc="r.jpg" alt=words>', "r.jpg"),
    "Avada": (f'<img src="{SVG}" data-orig-src="r.jpg" class="lazyload" alt=words>', "r.jpg"),
    "Amasty": (f'<img src="{GIF}" data-amsrc="r.jpg" alt=words>', "r.jpg"),
    "slick": ('<img data-lazy="r.jpg" alt=words>', "r.jpg"),
    "swiper": ('<img class="swiper-lazy" data-src="r.jpg" alt=words>', "r.jpg"),
    "Owl": ('<img class="owl-lazy" data-src="r.jpg" alt=words>', "r.jpg"),
    "Flickity": ('<img data-flickity-lazyload="r.jpg" alt=words>', "r.jpg"),
    "lozad, picture": (
        '<picture class="lozad" data-iesrc="s.jpg"><source data-srcset="r.webp" type="image/webp"><img alt=words></picture>',
        "r.webp",
    ),
    "echo": ('<img src="img/blank.gif" data-echo="r.jpg" alt=words>', "r.jpg"),
    "layzr": ('<img data-layzr="r.jpg" alt=words>', "r.jpg"),
    "vanilla-lazyload of old": (
        f'<img src="{GIF}" data-original-set="s.jpg 300w, r.jpg 900w" alt=words>',
        "r.jpg",
    ),
    "lazy-src, Vue and others": ('<img lazy-src="r.jpg" alt=words>', "r.jpg"),
    "v-lazy": (
        '<img src="loading.gif" v-lazy="/img/r.jpg" alt=words>',
        "https://a.example/img/r.jpg",
    ),
    "KISSY": (
        f'<img src="{GIF}" data-ks-lazyload="//img.example/r.jpg_300x300.jpg" alt=words>',
        "https://img.example/r.jpg_300x300.jpg",
    ),
    "Discuz": (
        '<img src="static/image/common/none.gif" file="data/attachment/r.jpg" alt=words>',
        "data/attachment/r.jpg",
    ),
    "Zhihu": (
        f'<img src="{SVG}" data-actualsrc="https://pic.example/v2-1_720w.jpg" alt=words>',
        "https://pic.example/v2-1_720w.jpg",
    ),
    "WeChat": (
        '<img data-src="https://mm.example/mmbiz_jpg/abc/640?wx_fmt=jpeg" alt=words>',
        "https://mm.example/mmbiz_jpg/abc/640?wx_fmt=jpeg",
    ),
    "Sina": (
        '<img src="/images/trans.gif" real_src="https://s.example/middle/1&690" alt=words>',
        "https://s.example/middle/1&690",
    ),
    "LinkedIn": (
        f'<img src="{GIF}" data-delayed-url="https://media.example/dms/image/C4/0?e=1" alt=words>',
        "https://media.example/dms/image/C4/0?e=1",
    ),
    "Squarespace": (
        '<noscript><img src="https://i.sq.example/r.jpg" alt=words></noscript><img class="thumb-image" data-src="https://i.sq.example/r.jpg" data-image="https://i.sq.example/r.jpg" data-image-dimensions="1500x1000" data-load="false" alt=words>',
        "https://i.sq.example/r.jpg",
    ),
    "Next.js": (
        f'<span><img src="{GIF}" decoding="async" data-nimg="fill" alt=words><noscript><img src="/_next/image?url=%2Fr.jpg&amp;w=3840&amp;q=75" decoding="async" alt=words></noscript></span>',
        "https://a.example/_next/image?url=%2Fr.jpg&w=3840&q=75",
    ),
    "Gatsby": (
        '<picture><source type="image/avif" data-srcset="x.avif 900w"><source type="image/webp" data-srcset="s.webp 300w, r.webp 900w"><img data-main-image="" data-src="s.jpg" data-srcset="s.jpg 300w, r.jpg 900w" alt=words></picture><noscript><picture><source type="image/webp" srcset="s.webp 300w, r.webp 900w"><img src="s.jpg" srcset="s.jpg 300w, r.jpg 900w" alt=words></picture></noscript>',
        "r.webp",
    ),
    "Wix": (
        '<wow-image><img src="https://w.example/media/p.jpg/v1/fill/w_49,h_33,al_c,q_80,blur_2/p.jpg" data-src="https://w.example/media/p.jpg/v1/fill/w_980,h_660,al_c/p.jpg" alt=words></wow-image>',
        "https://w.example/media/p.jpg/v1/fill/w_980,h_660,al_c/p.jpg",
    ),
    "WooCommerce, the original": (
        '<img src="beanie-2-300x300.jpg" data-large_image="beanie-2.jpg" data-large_image_width="801" alt=words>',
        "beanie-2.jpg",
    ),
    "LinkedIn, a drawing meanwhile": (
        '<img src="https://static.example/ghost-person.svg" data-delayed-url="https://media.example/r.jpg" alt=words>',
        "https://media.example/r.jpg",
    ),
    "Elementor": (
        f'<img class="elementor-lazy" src="{SVG}" data-src="r.jpg" data-elementor-lightbox="no" alt=words>',
        "r.jpg",
    ),
    "WooCommerce": (
        '<img src="p-300x300.jpg" data-large_image="p-1200x1200.jpg" alt=words>',
        "p-1200x1200.jpg",
    ),
    "a number tells the size": (
        '<img src="p-20.jpg" data-src="p-1200.jpg" alt=words>',
        "p-1200.jpg",
    ),
    "an unknown attribute": (
        f'<img src="{GIF}" data-q7="/up/r.jpeg?x=1" alt=words>',
        "https://a.example/up/r.jpeg?x=1",
    ),
    "Amazon": (
        """<img src="https://m.example/I/1._SX38_.jpg" class="lazy" data-a-dynamic-image='{"https://m.example/I/1._SX300_.jpg":[300,200],"https://m.example/I/1._SX900_.jpg":[900,600]}' alt=words>""",
        "https://m.example/I/1._SX900_.jpg",
    ),
    "no src at all": ('<img data-hi-res-src="r.jpg" alt=words>', "r.jpg"),
    "spaces around": ('<img src=" about:blank " data-src=" r.jpg " alt=words>', "r.jpg"),
    "an empty src": ('<img src="" data-src="r.jpg" alt=words>', "r.jpg"),
    "a hash": ('<img src="#" data-src="r.jpg" alt=words>', "r.jpg"),
    "a template in src": ('<img src="{{ image.url }}" data-src="r.jpg" alt=words>', "r.jpg"),
    "Fandom, the file's name first (Wikia/app, lazy images of comments)": (
        f'<img src="{GIF}" class="lzy lzyPlcHld" data-image-key="R.jpg" data-image-name="R.jpg" data-src="https://v.example/images/d/d0/R.jpg/revision/latest/scale-to-width-down/200?cb=1" alt=words>',
        "https://v.example/images/d/d0/R.jpg/revision/latest/scale-to-width-down/200?cb=1",
    ),
    "CNN, a source for each window (trafilatura's tests)": (
        f'<img data-src-mini="a-small-169.jpg" data-src-xsmall="a-medium-plus-169.jpg" data-src-small="a-large-169.jpg" data-src-medium="a-exlarge-169.jpg" data-src-large="a-super-169.jpg" src="{GIF}" alt=words>',
        "a-super-169.jpg",
    ),
    "Naver": (
        '<img src="r.jpg?type=w80_blur" data-lazy-src="r.jpg?type=w800" class="se-image-resource" alt=words>',
        "r.jpg?type=w800",
    ),
    "Egloos, any GIF before a photograph": (
        '<img src="http://md.example/thumbnail.gif" data-src="r.jpg" alt=words>',
        "r.jpg",
    ),
    "jquery_lazyload's grey.gif by another name": (
        '<img src="/images/loading_2.gif" data-original="r.jpg" alt=words>',
        "r.jpg",
    ),
    "unveil (README)": (
        '<img src="bg.png" data-src="s.jpg" data-src-retina="s-2x.jpg" alt=words>',
        "s.jpg",
    ),
    "IMDb": (
        '<img src="/images/S/sash/nopicture.png" loadlate="r.jpg" class="loadlate" alt=words>',
        "r.jpg",
    ),
    "Tumblr": (
        '<img src="https://64.media.example/a/s540x810/x.jpg" data-highres="https://64.media.example/a/s1280x1920/x.jpg" alt=words>',
        "https://64.media.example/a/s1280x1920/x.jpg",
    ),
    "WordPress.com, the upload": (
        '<img data-orig-file="r.jpg" data-medium-file="r.jpg?w=300" data-large-file="r.jpg?w=1024" src="r.jpg?w=500" alt=words>',
        "r.jpg",
    ),
    "ShortPixel, as wide meanwhile": (
        '<img class="lazyload" src="https://cdn.example/client/q_lqip,ret_wait,w_300,h_50/r.jpg" data-src="https://cdn.example/client/q_glossy,ret_img,w_300,h_50/r.jpg" alt=words>',
        "https://cdn.example/client/q_glossy,ret_img,w_300,h_50/r.jpg",
    ),
    "Medium": (
        '<img src="https://miro.example/max/60/1*a.jpeg?q=20" alt=words><noscript><img src="https://miro.example/max/1400/1*a.jpeg" alt=words></noscript>',
        "https://miro.example/max/1400/1*a.jpeg",
    ),
    "lazyestload, a class of its own": (
        '<img class="lazyestload" data-src="r.jpg" src="tiny-r.jpg" alt=words>',
        "r.jpg",
    ),
    "Foundation Interchange": (
        '<img data-interchange="[s.jpg, small], [m.jpg, medium], [r.jpg, large]" alt=words>',
        "r.jpg",
    ),
    "Blogger": (
        '<img src="https://b.example/a/w72-h72-p-k-no-nu/x.jpg" data-src="https://b.example/a/w640-h480/x.jpg" alt=words>',
        "https://b.example/a/w640-h480/x.jpg",
    ),
    "a set of old (vanilla-lazyload), in a <picture>": (
        '<picture><source data-original-set="s.webp 300w, r.webp 900w"><img data-original="r.jpg" alt=words></picture>',
        "r.webp",
    ),
    "a path without a mark": (
        f'<img src="{GIF}" data-src="uploads/p/abc" alt=words>',
        "uploads/p/abc",
    ),
    "a script with arguments": (
        f'<img src="{GIF}" data-original="thumb.aspx?id=3" alt=words>',
        "thumb.aspx?id=3",
    ),
    "a name with blanks and brackets": (
        f'<img src="{GIF}" data-src="my photo of one cat [1].jpg" alt=words>',
        "my%20photo%20of%20one%20cat%20[1].jpg",
    ),
    "a page by a loose name before a picture": (
        f'<img src="{GIF}" data-url="https://a.example/post/1" data-q="r.jpg" alt=words>',
        "r.jpg",
    ),
    # what is real stays
    "an offset, whose name ends like a set": (
        '<img src="r.jpg" data-offset="0.5" data-parallax-offset="10.5" alt=words>',
        "r.jpg",
    ),
    "an asset (AEM)": ('<img src="r.jpg" data-asset="/content/dam/x/y" alt=words>', "r.jpg"),
    "words that look like a set": (
        '<img src="r.jpg" data-note="see fig. 2 300w, ok" data-x="10.5, 20w, " alt=words>',
        "r.jpg",
    ),
    "a media type and a ratio": (
        '<img src="r.png" data-src-mime="image/jpeg" data-lazy="image/jpeg" data-src-ratio="16/9" alt=words>',
        "r.png",
    ),
    "an address for mail": (
        '<img src="r.jpg" class="lazy" data-src="mailto:a@b.jpg" alt=words>',
        "r.jpg",
    ),
    "several files": (
        '<img src="r.jpg" class="lazy" data-srcs="a.jpg,b.jpg" alt=words>',
        "r.jpg",
    ),
    "a second picture": (
        '<img src="r-300x300.jpg" data-image2="b-1200x1200.jpg" data-after="c-1200x1200.jpg" alt=words>',
        "r-300x300.jpg",
    ),
    "a page of a picture, by a loose name": (
        '<img class="lazy" src="r.jpg" data-url="https://a.example/post/1" alt=words>',
        "r.jpg",
    ),
    "a player": (
        '<img class="lazy" src="https://i.example/vi/abc/hqdefault.jpg" data-src="https://www.youtube.com/embed/abc" alt=words>',
        "https://i.example/vi/abc/hqdefault.jpg",
    ),
    "a class that says no": (
        '<img class="no-lazy skip-lazy" src="r.jpg" data-src="t.jpg" alt=words>',
        "r.jpg",
    ),
    "an expression (Vue)": (
        """<img :src="'/img/' + name + '.jpg?v=1'" src="r.jpg" class="lazy" alt=words>""",
        "r.jpg",
    ),
    "a smaller source of a <picture>'s own": (
        '<picture><source data-placeholder-srcset="t.jpg 2x" srcset="r.jpg"><img alt=words></picture>',
        "r.jpg",
    ),
    "a smaller copy without scripts": (
        '<img src="p-900x600.jpg" alt=words><noscript><img src="p-300x200.jpg" alt=words></noscript>',
        "p-900x600.jpg",
    ),
    "a page of the picture": (
        f'<img src="{GIF}" data-permalink="/p/r.html" data-src="r.jpg" alt=words>',
        "r.jpg",
    ),
    "a picture for hover": (
        '<img src="r.jpg" data-hover-src="h-1200x1200.jpg" alt=words>',
        "r.jpg",
    ),
    "a picture for errors": (
        '<img src="r.jpg" class="lazy" data-fallback-src="e.jpg" alt=words>',
        "r.jpg",
    ),
    "a thumbnail": ('<img src="r.jpg" class="lazy" data-thumb="t.jpg" alt=words>', "r.jpg"),
    "a smaller one": (
        '<img src="r-900x600.jpg" class="lazy" data-src="r-300x200.jpg" alt=words>',
        "r-900x600.jpg",
    ),
    "a real src": ('<img src="b.jpg" data-src="r.jpg" alt=words>', "b.jpg"),
    "a template in data-src": (
        '<img src="r.jpg" class="lazy" data-src="{{ image }}" alt=words>',
        "r.jpg",
    ),
    "undefined in data-src": (
        '<img src="r.jpg" class="lazy" data-src="undefined" alt=words>',
        "r.jpg",
    ),
    "words in an attribute": (
        '<img src="r.jpg" class="lazy" data-src-type="image/jpeg" data-ratio="1.5" data-x="A. b" alt=words>',
        "r.jpg",
    ),
    "a density of one is src": ('<img src="r.jpg" srcset="l.jpg 0.5x" alt=words>', "r.jpg"),
    "a loading dock": (
        '<img src="loading-dock.jpg" data-other="x.jpg" alt=words>',
        "loading-dock.jpg",
    ),
    "a blanket": (
        '<img srcset="wool_blanket-800.jpg 800w, wool_blanket-1600.jpg 1600w" alt=words>',
        "wool_blanket-1600.jpg",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    body, expected = SHAPES[name]
    assert references(body) == [expected]


def test_an_image_and_its_copy_without_scripts_are_one():
    for name in (
        "WP Rocket",
        "Autoptimize",
        "Squarespace",
        "Next.js",
        "Gatsby",
        "Cloudflare Mirage",
    ):
        body, _ = SHAPES[name]
        parsed = parse_page(
            Page("https://a.example/", (), f"<body>{body}".encode(), Origin("x", 0, "", "")), "best"
        )
        assert [image.times for image in parsed.images] == [1], name


def test_other_images_of_a_noscript_are_images():
    body = '<img src="a.jpg" alt=one><noscript><img src="pixel-count.jpg" alt=two></noscript>'
    assert references(body) == ["a.jpg", "pixel-count.jpg"]
    assert references(
        '<img src="a.jpg" alt=one><noscript><img src="b.jpg" alt=one></noscript>'
    ) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "url",
    ["wool_blanket-1600.jpg", "loading-dock.jpg", "pixel-9-pro.jpg", "pixel-9.jpg", "blank-check.png", "spacer-bars.jpg", "1x1-lego.jpg", "empty-room.jpg", "white-dress.jpg", "transparent-watch.png", "lazy-sunday.jpg", "placeholder-names.jpg", "spinner.jpg", "white.jpg", "loader-cat-950.jpg", "dots.jpg", "photo.jpg", "/blank/photo.jpg", "image.png", "default.jpg", "product-image-1.jpg", "clear-lake.png", "null-island.png", "undefined-behaviour.png", "skeleton.jpg", "pixel-art.gif", "t-shirt.png", "a.jpg?x=blank.gif", "transparent-1200.png", "no-entry.png", "loadingdock.jpg", "lazyimg.jpg", "not-found-footage.png", "nophotoday.png", "noimagination.png"],
)  # fmt: skip
def test_pictures_are_no_stand_ins(url):
    assert not is_stand_in(f"https://a.example/{url}")


@pytest.mark.parametrize(
    "url",
    ["blank.gif", "spacer.gif", "1x1.png", "1x1.trans.gif", "pixel.gif", "loading.gif", "ajax-loader.gif", "bx_loader.gif", "placeholder.png", "placeholder-300x200.jpg", "image-placeholder.svg", "product_placeholder_2.png", "lazy_placeholder.gif", "lazy-load.png", "grey.gif", "white.png", "clear.gif", "cleardot.gif", "transparent.png", "s.gif", "dot.gif", "empty.svg", "spinner.svg", "preloader.gif", "loading-spinner.svg", "dummy.png", "lazyload.png", "blank-1x1.gif", "pixel.png?v=3", "placeholder", "Placeholder.PNG", "no-image.png", "no_img.gif", "nopic.gif", "noimg.png", "nopicture.png", "image-not-available.jpg", "image_not_found.png", "imgloading.gif", "loadingimg.png", "blankimg.gif", "trans1x1.gif", "transpixel.gif", "lazyimg.png"],
)  # fmt: skip
def test_stand_ins(url):
    assert is_stand_in(f"https://a.example/images/{url}")


TEMPLATES = ["{{ image.url }}", "/img/{{ x }}.jpg", "%7B%7B%20url%20%7D%7D", "${src}", "/a/${item.image}", "<%= image %>", "<?php echo $x ?>", "{% static 'a.jpg' %}", "{$url}", "undefined", "null", "/images/undefined", "undefined.jpg", "[object Object]", "/a/[object%20Object]", "[[image]]", "NaN", "/_next/image?url=undefined&w=3", "p_{width}x.jpg", "{url}", "{image.url}", "{imageUrl}", "/img/{id}.jpg", "{PhotoURL-500}", "{{{image}}}", "#{image}", "<#= img #>", "{!! $x !!}", "{~ img ~}", "[%image%]", "[*image*]", "[+image+]", "*|IMAGE|*", "%image%", "__STATIC__/a.png", "' + data.img + '", "'+url+'?v=1'+'", "'/img/' + name + '.jpg'", "/i.php?id=' + id + '", "[object HTMLImageElement]", "/img/None", "false"]  # fmt: skip


@pytest.mark.parametrize("reference", TEMPLATES)
def test_templates(reference):
    assert is_template(reference)
    (url,) = references(f"""<img src="{reference.replace('"', "&quot;")}" alt=words>""")
    assert is_template(url)


@pytest.mark.parametrize(
    "url",
    ["photo.jpg?v=undefined", "/null-island/a.jpg", "/a/%E3%83%8A.jpg", "/{8A3F2B1C-11}/a.jpg", "/nan/bread.jpg", "/a%7Bb.jpg", "/a[1].jpg", "/undefined-behaviour.png", "/100%25.jpg", "/a%3C2.jpg", "/{A3F2B1C8-1122-3344}/a.jpg", "/photo{1}.jpg", "/100%wool%20x.jpg", "/a[+18].jpg", "/__init__.png", "/rock'n'roll+a.jpg", "/a+b+c.jpg", "/none-such.jpg", "/falseflag", "/50%_off_20%.jpg", "/th?q=%22red+car%22+and+%22blue+car%22", '/th?q="red"+or+"blue"'],
)  # fmt: skip
def test_urls_are_no_templates(url):
    assert not is_template(f"https://a.example{url if url.startswith('/') else '/' + url}")


@pytest.mark.parametrize("sides", ["[1e999]", "[Infinity]", "[NaN]", "[]", "{}", "5", '["a"]'])
def test_sides_that_are_no_numbers_cost_the_attribute_alone(sides):
    """Infinity cost all images of the page."""
    body = f"""<img src=b.jpg data-a='{{"/r.jpg": {sides}}}' alt=words>"""
    assert references(body) == ["b.jpg"]
