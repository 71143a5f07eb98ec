"""Records with HTTP messages as the world writes them.

What is right is what browsers do (Chromium's net/http/http_util.cc), RFC 9112, and the MIME Sniffing
standard.
"""

from __future__ import annotations

from tests.support.warcs import DATE

URL = "https://a.example/"
HTML = b"<!doctype html><p>a page<img src=/b.jpg alt='a red star'>"
HTTP = "application/http; msgtype=response"
PAGE = "page"


def record(
    block: bytes, content_type: str | None = HTTP, name: str = "Content-Type", **fields: str
) -> bytes:
    """A response record that is not compressed."""
    lines = ["WARC/1.0", "WARC-Type: response", f"WARC-Target-URI: {URL}", f"WARC-Date: {DATE}"]
    lines += [f"{field.replace('_', '-')}: {value}" for field, value in fields.items()]
    if content_type is not None:
        lines.append(f"{name}: {content_type}")
    lines += [f"Content-Length: {len(block)}", "", ""]
    return "\r\n".join(lines).encode() + block + b"\r\n\r\n"


def message(
    status: bytes = b"HTTP/1.1 200 OK",
    *fields: bytes,
    end: bytes = b"\r\n",
    blank: bytes | None = None,
    body: bytes = HTML,
) -> bytes:
    lines = [status, *(fields or (b"Content-Type: text/html", b"X-Robots-Tag: noai"))]
    return end.join(lines) + end + (end if blank is None else blank) + body


ROBOTS = b"X-Robots-Tag: noai"
TYPE = b"Content-Type: text/html"

# name -> a record, and what becomes of it: PAGE, or the reason why it is none
SHAPES: dict[str, tuple[bytes, str]] = {
    # The status line.
    "usual": (record(message()), PAGE),
    "HTTP/1.0": (record(message(b"HTTP/1.0 200 OK")), PAGE),
    "HTTP/2": (record(message(b"HTTP/2 200")), PAGE),
    "HTTP/2.0": (record(message(b"HTTP/2.0 200 OK")), PAGE),
    "no version": (record(message(b"HTTP 200 OK")), PAGE),
    "lower case": (record(message(b"http/1.1 200 ok")), PAGE),
    "mixed case": (record(message(b"Http/1.1 200 OK")), PAGE),
    "two blanks": (record(message(b"HTTP/1.1  200 OK")), PAGE),
    "two blanks after": (record(message(b"HTTP/1.1 200  OK")), PAGE),
    "tab": (record(message(b"HTTP/1.1\t200\tOK")), PAGE),
    "no reason": (record(message(b"HTTP/1.1 200")), PAGE),
    "no reason, a blank": (record(message(b"HTTP/1.1 200 ")), PAGE),
    "reason joined": (record(message(b"HTTP/1.1 200OK")), PAGE),
    "reason in Latin-1": (record(message(b"HTTP/1.1 200 Termin\xe9")), PAGE),
    "reason with a colon": (record(message(b"HTTP/1.1 200 OK: fine")), PAGE),
    "other reason": (record(message(b"HTTP/1.0 200 Sending document")), PAGE),
    "ICY": (record(message(b"ICY 200 OK")), PAGE),
    "long version": (record(message(b"HTTP/1.1.1 200 OK")), PAGE),
    "no such version": (record(message(b"HTTP/9.9 200 OK")), PAGE),
    "bytes before": (record(b"\xef\xbb\xbf" + message()), PAGE),
    "empty line before": (record(b"\r\n" + message()), PAGE),
    "empty lines before": (record(b"\n\n\r\n" + message()), PAGE),
    "continue first": (record(b"HTTP/1.1 100 Continue\r\n\r\n" + message()), PAGE),
    "hints first": (record(b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + message()), PAGE),
    "two interim": (record(b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + message()), PAGE),
    "continue alone": (record(message(b"HTTP/1.1 100 Continue")), "http_100"),
    "not found": (record(message(b"HTTP/1.1 404 Not Found")), "http_404"),
    "not found, two blanks": (record(message(b"HTTP/1.1  404 Not Found")), "http_404"),
    "no status": (record(message(b"HTTP/1.1 OK")), "http_0"),
    "banana": (record(message(b"HTTP/1.1 banana")), "http_0"),
    "status of two digits": (record(message(b"HTTP/1.1 20 OK")), "http_0"),
    "status of four digits": (record(message(b"HTTP/1.1 2000 OK")), "http_0"),
    # Line ends.
    "LF": (record(message(end=b"\n")), PAGE),
    "CR": (record(message(end=b"\r")), PAGE),
    "CR CR LF": (record(message(end=b"\r\r\n")), PAGE),
    "LF, CR LF at the end": (record(message(end=b"\n", blank=b"\r\n")), PAGE),
    "CR LF, LF at the end": (record(message(blank=b"\n")), PAGE),
    "LF behind the status": (record(b"HTTP/1.1 200 OK\n" + TYPE + b"\r\n" + ROBOTS + b"\r\n\r\n" + HTML), PAGE),
    "LF between fields": (record(b"HTTP/1.1 200 OK\r\n" + TYPE + b"\n" + ROBOTS + b"\r\n\r\n" + HTML), PAGE),
    "CR between fields": (record(b"HTTP/1.1 200 OK\r\n" + TYPE + b"\r" + ROBOTS + b"\r\n\r\n" + HTML), PAGE),
    "LF, empty lines in the body": (record(message(end=b"\n", body=b"\n\n" + HTML)), PAGE),
    "CR, empty lines in the body": (record(message(end=b"\r", body=HTML + b"\n\n")), PAGE),
    "no empty line": (record(b"HTTP/1.1 200 OK\r\n" + TYPE + b"\r\n" + HTML), "page_empty"),
    "ends in its head": (record(b"HTTP/1.1 200 OK\r\n" + TYPE), "page_empty"),
    "no body": (record(message(body=b"")), "page_empty"),
    # Fields.
    "folded": (record(message(b"HTTP/1.1 200 OK", b"X-Robots-Tag:\r\n noai", b"Content-Type:\r\n\ttext/html")), PAGE),
    "folded with LF": (record(message(b"HTTP/1.1 200 OK", b"X-Robots-Tag:\n noai", TYPE)), PAGE),
    "names in lower case": (record(message(b"HTTP/1.1 200 OK", TYPE.lower(), ROBOTS.lower())), PAGE),
    "names in upper case": (record(message(b"HTTP/1.1 200 OK", b"CONTENT-TYPE: TEXT/HTML", b"X-ROBOTS-TAG: noai")), PAGE),
    "blank before colon": (record(message(b"HTTP/1.1 200 OK", b"Content-Type : text/html", b"X-Robots-Tag\t: noai")), PAGE),
    "no blank after colon": (record(message(b"HTTP/1.1 200 OK", b"Content-Type:text/html", b"X-Robots-Tag:noai")), PAGE),
    "many blanks": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: \t text/html \t", ROBOTS + b"  ")), PAGE),
    "no colon": (record(message(b"HTTP/1.1 200 OK", b"what is this", TYPE, ROBOTS)), PAGE),
    "no name": (record(message(b"HTTP/1.1 200 OK", b": nothing", TYPE, ROBOTS)), PAGE),
    "name with a blank": (record(message(b"HTTP/1.1 200 OK", b"My Server: x", TYPE, ROBOTS)), PAGE),
    "empty value": (record(message(b"HTTP/1.1 200 OK", b"Server:", TYPE, ROBOTS)), PAGE),
    "NUL in a value": (record(message(b"HTTP/1.1 200 OK", b"Server: a\0b", TYPE, ROBOTS)), PAGE),
    "value in Latin-1": (record(message(b"HTTP/1.1 200 OK", b"Server: caf\xe9", TYPE, ROBOTS)), PAGE),
    "value in UTF-8": (record(message(b"HTTP/1.1 200 OK", "Server: café".encode(), TYPE, ROBOTS)), PAGE),
    "a field of 100 KB": (record(message(b"HTTP/1.1 200 OK", b"A: " + b"x" * 100_000, TYPE, ROBOTS)), PAGE),
    "a thousand fields": (record(message(b"HTTP/1.1 200 OK", *[b"A: b"] * 1000, TYPE, ROBOTS)), PAGE),
    "a head of 300 KB": (record(message(b"HTTP/1.1 200 OK", b"A: " + b"x" * 300_000, TYPE)), "http_unreadable"),
    # Content-Type.
    "type with charset": (record(message(b"HTTP/1.1 200 OK", TYPE + b"; charset=utf-8", ROBOTS)), PAGE),
    "type twice": (record(message(b"HTTP/1.1 200 OK", TYPE, TYPE, ROBOTS)), PAGE),
    "type twice in a line": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: text/html, text/html", ROBOTS)), PAGE),
    "types, the last one counts": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: text/plain, text/html", ROBOTS)), PAGE),
    "types, html first": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: text/html, image/png")), "not_html"),
    "XHTML": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: application/xhtml+xml", ROBOTS)), PAGE),
    "a picture": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: image/png", body=HTML)), "not_html"),
    "plain text": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: text/plain")), "not_html"),
    "no type": (record(message(b"HTTP/1.1 200 OK", ROBOTS)), PAGE),
    "type of nothing": (record(message(b"HTTP/1.1 200 OK", b"Content-Type:", ROBOTS)), PAGE),
    "type that is none": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: html", ROBOTS)), PAGE),
    "type of anything": (record(message(b"HTTP/1.1 200 OK", b"Content-Type: */*", ROBOTS)), PAGE),
    "no type, no html": (record(message(b"HTTP/1.1 200 OK", ROBOTS, body=b"just words")), "not_html"),
    "no type, nosniff": (record(message(b"HTTP/1.1 200 OK", ROBOTS, b"X-Content-Type-Options: nosniff")), "not_html"),
    "no type, identified": (
        record(message(b"HTTP/1.1 200 OK", ROBOTS, body=b"words"), WARC_Identified_Payload_Type="text/html"),
        PAGE,
    ),
    "no type, identified as text": (
        record(message(b"HTTP/1.1 200 OK", ROBOTS), WARC_Identified_Payload_Type="text/plain"),
        "not_html",
    ),
    "type, identified otherwise": (record(message(), WARC_Identified_Payload_Type="text/plain"), PAGE),
    # The fields of the WARC record.
    "WARC content-type in lower case": (record(message(), name="content-type"), PAGE),
    "WARC content-type in upper case": (record(message(), name="CONTENT-TYPE"), PAGE),
    "application/HTTP": (record(message(), "application/HTTP; msgtype=response"), PAGE),
    "no msgtype": (record(message(), "application/http"), PAGE),
    "msgtype in quotes": (record(message(), 'application/http; msgtype="response"'), PAGE),
    "msgtype joined": (record(message(), "application/http;msgtype=response"), PAGE),
    "no WARC content-type": (record(message(), None), PAGE),
    "WARC content-type of the page": (record(message(), "text/html"), PAGE),
    "the page itself": (record(HTML, "text/html"), PAGE),
    "no message": (record(HTML), "http_unreadable"),
    "nothing": (record(b""), "http_unreadable"),
    "WARC head with LF": (
        record(message()).replace(b"\r\n", b"\n").replace(message().replace(b"\r\n", b"\n"), message()),
        PAGE,
    ),
    "WARC names in lower case": (record(message()).replace(b"WARC-T", b"warc-t"), PAGE),
    "WARC type in upper case": (record(message()).replace(b": response", b": RESPONSE"), PAGE),
    "WARC fields folded": (record(message()).replace(b"WARC-Target-URI: ", b"WARC-Target-URI:\r\n "), PAGE),
    "WARC/1.1": (record(message()).replace(b"WARC/1.0", b"WARC/1.1"), PAGE),
    "WARC/0.18": (record(message()).replace(b"WARC/1.0", b"WARC/0.18"), PAGE),
}  # fmt: skip

# Those whose fields are not all there: the message ends before them, or they are not in it.
WITHOUT_ROBOTS = ("the page itself",)
