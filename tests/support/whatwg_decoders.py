"""The multi-byte decoders of the Encoding Standard, step by step as it writes them: slow and plain."""

from __future__ import annotations

END = None


class Stream:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def read(self):
        self.at += 1
        return self.content[self.at - 1] if self.at <= len(self.content) else END

    def restore(self, number: int) -> None:
        self.at -= number


def _index(table, pointer):
    return table[pointer] if 0 <= pointer < len(table) else None


def _error(stream, byte):
    """What follows an invalid trail: an ASCII byte is restored."""
    if byte is END or byte <= 0x7F:
        stream.restore(1)
    return "\ufffd"


def _run(content, step):
    stream, text = Stream(content), []
    while (lead := stream.read()) is not END:
        text.append(chr(lead) if lead <= 0x7F else step(stream, lead))
    return "".join(text)


def big5(content, indexes):
    combined = {1133: "Ê̄", 1135: "Ê̌", 1164: "ê̄", 1166: "ê̌"}

    def step(stream, lead):
        if not 0x81 <= lead <= 0xFE:
            return "\ufffd"
        byte, pointer = stream.read(), None
        if byte is not END and (0x40 <= byte <= 0x7E or 0xA1 <= byte <= 0xFE):
            pointer = (lead - 0x81) * 157 + byte - (0x40 if byte < 0x7F else 0x62)
        if pointer in combined:
            return combined[pointer]
        point = None if pointer is None else _index(indexes["big5"], pointer)
        return chr(point) if point is not None else _error(stream, byte)

    return _run(content, step)


def euc_kr(content, indexes):
    def step(stream, lead):
        if not 0x81 <= lead <= 0xFE:
            return "\ufffd"
        byte, pointer = stream.read(), None
        if byte is not END and 0x41 <= byte <= 0xFE:
            pointer = (lead - 0x81) * 190 + byte - 0x41
        point = None if pointer is None else _index(indexes["euc-kr"], pointer)
        return chr(point) if point is not None else _error(stream, byte)

    return _run(content, step)


def shift_jis(content, indexes):
    def step(stream, lead):
        if lead == 0x80:
            return "\x80"
        if 0xA1 <= lead <= 0xDF:
            return chr(0xFF61 - 0xA1 + lead)
        if not (0x81 <= lead <= 0x9F or 0xE0 <= lead <= 0xFC):
            return "\ufffd"
        byte, pointer = stream.read(), None
        if byte is not END and (0x40 <= byte <= 0x7E or 0x80 <= byte <= 0xFC):
            offset = 0x40 if byte < 0x7F else 0x41
            pointer = (lead - (0x81 if lead < 0xA0 else 0xC1)) * 188 + byte - offset
        if pointer is not None and 8836 <= pointer <= 10715:
            return chr(0xE000 - 8836 + pointer)
        point = None if pointer is None else _index(indexes["jis0208"], pointer)
        return chr(point) if point is not None else _error(stream, byte)

    return _run(content, step)


def euc_jp(content, indexes):
    def step(stream, lead):
        if lead not in (0x8E, 0x8F) and not 0xA1 <= lead <= 0xFE:
            return "\ufffd"
        byte, table = stream.read(), "jis0208"
        if lead == 0x8E and byte is not END and 0xA1 <= byte <= 0xDF:
            return chr(0xFF61 - 0xA1 + byte)
        if lead == 0x8F and byte is not END and 0xA1 <= byte <= 0xFE:
            table, lead, byte = "jis0212", byte, stream.read()
        point = None
        if byte is not END and 0xA1 <= lead <= 0xFE and 0xA1 <= byte <= 0xFE:
            point = _index(indexes[table], (lead - 0xA1) * 94 + byte - 0xA1)
        return chr(point) if point is not None else _error(stream, byte)

    return _run(content, step)


def gb18030(content, indexes):
    def of_ranges(pointer):
        if 39419 < pointer < 189000 or pointer > 1237575:
            return None
        if pointer == 7457:
            return 0xE7C7
        start, first = max(r for r in indexes["gb18030-ranges"] if r[0] <= pointer)
        return first + pointer - start

    def step(stream, first):
        if first == 0x80:
            return "€"
        if first == 0xFF:
            return "\ufffd"
        second = stream.read()
        if second is END:
            return _error(stream, END)
        if not 0x30 <= second <= 0x39:
            pointer = None
            if 0x40 <= second <= 0x7E or 0x80 <= second <= 0xFE:
                pointer = (first - 0x81) * 190 + second - (0x40 if second < 0x7F else 0x41)
            point = None if pointer is None else _index(indexes["gb18030"], pointer)
            return chr(point) if point is not None else _error(stream, second)
        third = stream.read()
        if third is END:
            return _error(stream, END)
        if not 0x81 <= third <= 0xFE:
            stream.restore(2)
            return "\ufffd"
        fourth = stream.read()
        if fourth is END:
            return _error(stream, END)
        if not 0x30 <= fourth <= 0x39:
            stream.restore(3)
            return "\ufffd"
        point = of_ranges(
            ((first - 0x81) * 10 + second - 0x30) * 1260 + (third - 0x81) * 10 + fourth - 0x30
        )
        return chr(point) if point is not None else "\ufffd"

    return _run(content, step)


def iso_2022_jp(content, indexes):  # noqa: PLR0912
    stream, text = Stream(content), []
    state = output_state = "ascii"
    has_output, lead = False, 0
    escapes = {"(B": "ascii", "(J": "roman", "(I": "katakana", "$@": "lead", "$B": "lead"}
    while True:
        byte = stream.read()
        if state == "escape":
            pair = bytes(b for b in (byte, stream.read()) if b is not END).decode("latin-1")
            lead = 0
            if pair in escapes:
                state = output_state = escapes[pair]
                if has_output:
                    text.append("\ufffd")
                has_output = True
            else:
                stream.restore(2)
                state, has_output = output_state, False
                text.append("\ufffd")
            continue
        if byte is END:
            if state == "trail":
                text.append("\ufffd")
            return "".join(text)
        if byte == 0x1B:
            if state == "trail":
                text.append("\ufffd")
            state = "escape"
        elif state == "trail":
            state = "lead"
            point = (
                _index(indexes["jis0208"], (lead - 0x21) * 94 + byte - 0x21)
                if 0x21 <= byte <= 0x7E
                else None
            )
            text.append("\ufffd" if point is None else chr(point))
        elif state == "lead":
            has_output = False
            if 0x21 <= byte <= 0x7E:
                state, lead = "trail", byte
            else:
                text.append("\ufffd")
        else:
            has_output = False
            if state == "katakana":
                valid = 0x21 <= byte <= 0x5F
                text.append(chr(0xFF61 - 0x21 + byte) if valid else "\ufffd")
            elif byte > 0x7F or byte in (0x0E, 0x0F):
                text.append("\ufffd")
            elif state == "roman":
                text.append({0x5C: "¥", 0x7E: "‾"}.get(byte, chr(byte)))
            else:
                text.append(chr(byte))


DECODERS = {
    "big5": big5,
    "euc-jp": euc_jp,
    "euc-kr": euc_kr,
    "gb18030": gb18030,
    "gbk": gb18030,
    "iso-2022-jp": iso_2022_jp,
    "shift_jis": shift_jis,
}
