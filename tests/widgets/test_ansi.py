"""Decoding output: colours are kept, all other control sequences dropped, for any bytes."""

import itertools
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.style import Style

from tests.growth import grows_linearly
from widgets.ansi import MAX_LINE_CHARACTERS, Decoder
from widgets.output_line import Line


def decode(*chunks: bytes) -> list[Line]:
    """Decode ``chunks`` of one stream into lines."""
    lines = [Line()]
    decoder = Decoder()
    for chunk in chunks:
        decoder.feed(chunk, lines)
    decoder.end(lines)
    return lines


def text(*chunks: bytes) -> str:
    """Decode ``chunks`` and return the text of all lines."""
    return "\n".join(line.text for line in decode(*chunks))


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (b"plain", "plain"),
        (b"one\ntwo\n", "one\ntwo\n"),
        (b"one\r\ntwo", "one\ntwo"),
        (b" 50%\r100%", "100%"),
        (b"long line\rshort", "shortline"),
        (b"long line\r\x1b[Kshort", "short"),
        (b"gone\x1b[2K\rnew", "new"),
        (b"abc\b\bX", "aXc"),
        (b"\b\b\rx", "x"),
        (b"a\tb", "a       b"),
        (b"12345678\tb", "12345678        b"),
        ("\u4f60\tb".encode(), "\u4f60      b"),
        (b"\x1b[2J\x1b[H\x1b[3;4Hhere\x1b[A\x1b[10C", "here"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]52;c;cGFzdGU=\x1b\\after", "after"),
        (b"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPq#0;2;0;0\n0#0~~\x1b\\after", "after"),
        (b"\x1b_Gf=24;AAAA\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\after", "after"),
        (b"\x1b[?1049h\x1b[?25l\x1b7\x1b8\x1bc\x1b(B\x1b)0\x1b=after", "after"),
        (b"\x1b]0;never ended\nnext line", "\nnext line"),
        (b"\x1b]0;a\x1b[31mred", "red"),
        ("\u009b31mred\u009d0;t\u009cafter".encode(), "redafter"),
        (b"bell\x07 null\x00 del\x7f.", "bell null del."),
        (b"\xff\xfe caf\xe9 \xe2\x82", "\\xff\\xfe caf\\xe9 \\xe2\\x82"),
        (
            "a\u202eb\u2066c\ufeff".encode(),
            "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}",
        ),
        ("\u4f60\u597d e\u0301 \u3000".encode(), "\u4f60\u597d e\u0301 \u3000"),
        (b"[red]x[/] [@click=app.bell]", "[red]x[/] [@click=app.bell]"),
        (b"\x1b[31\x1b[32mgreen", "green"),
        (b"\x1b[1\x18text", "text"),
        (b"\x1b\x1b[0mtext", "text"),
    ],
)
def test_decoded_text(written: bytes, seen: str) -> None:
    assert text(written) == seen
    assert text(*(bytes([byte]) for byte in written)) == seen, "the same when split after every byte"


@pytest.mark.parametrize(
    ("sgr", "style"),
    [
        (b"1;31", "bold red"),
        (b"1;22;4", "underline"),
        (b"38;5;208", "color(208)"),
        (b"48;2;1;2;300", "on #0102ff"),
        (b"38:2:9:8:7", "#090807"),
        (b"97;100;7;3;9", "reverse italic strike bright_white on bright_black"),
        (b"31;38;5", "red"),
        (b"31;58;5;3;1", "bold red"),
        (b"99999999999999999999;32", "green"),
        (b"8", ""),
    ],
)
def test_colours_are_kept(sgr: bytes, style: str) -> None:
    (line,) = decode(b"\x1b[" + sgr + b"mtext\x1b[m|")
    drawn = "".join(text if style is None else style.render(text) for text, style in line.runs)
    assert drawn == Style.parse(style).render("text") + "|"


def test_styles_survive_overwriting() -> None:
    (line,) = decode(b"\x1b[31mred red\x1b[0m\b\b\bnew")
    assert [run[0] for run in line.runs] == ["red ", "new"]
    assert line.runs[1][1] is None


def test_long_lines_continue_on_the_next() -> None:
    lines = decode(b"x" * (MAX_LINE_CHARACTERS + 5))
    assert [line.length for line in lines] == [MAX_LINE_CHARACTERS, 5]


def test_unterminated_string_does_not_swallow_everything() -> None:
    assert text(b"\x1bP" + b"x" * (2 << 20) + b"\nseen").endswith("\nseen")


def test_overwriting_costs_no_more_than_writing() -> None:
    def coloured(size: int) -> bytes:
        return b"".join(b"\x1b[3%dm%c" % (each % 8, 65 + each % 26) for each in range(size))

    assert grows_linearly(lambda size: decode(coloured(size) + b"\bx\b\x1b[Kx\b\t" * size), 400)


pieces = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b\\", b"\x9b", b"\r", b"\b", b"\t", b"\n", b"m", b";", b"K", b"2K"]
    ),
    st.text(max_size=10).map(lambda each: each.encode("utf-8", "surrogatepass")),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=30))
@example([b"\x1b[2K", b"\t", b"x"])
def test_any_bytes_give_printable_lines(chunks: list[bytes]) -> None:
    lines = decode(*chunks)
    for line in lines:
        assert line.length == len(line.text) <= MAX_LINE_CHARACTERS + 8
        for char in line.text:
            assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}, ascii(char)
    joined = b"".join(chunks)
    assert [line.text for line in decode(joined)] == [line.text for line in lines], "the same however it is split"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=200), st.lists(st.integers(0, 200)))
def test_plain_text_is_preserved(plain: str, cuts: list[int]) -> None:
    data = plain.encode()
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    assert text(*(data[start:end] for start, end in itertools.pairwise(places))) == plain
