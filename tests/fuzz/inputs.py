"""Policies to start from, and ways to mutate them."""

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from editor.policy.keys import KEYS
from editor.workspace.samples import sample_names
from tests.editing.test_document import TOML as DOCUMENT
from tests.editing.test_rule_edits import TEXT as VARIABLES
from tests.policy.test_reference import ACCEPTED, COMPOSED, EXAMPLES, REFUSED, text_of
from tests.policy.texts import FS, NET, SCOPED
from tests.samples.harness import policy_path

LONGEST = 1 << 16  # bytes; longer inputs are cut, since only their length would be new

_PIECES = (
    *('"abi.all"', '"abi.read_write"', '"read_file"', '"refer"', '"resolve_unix"', '"connect_send_udp"', '"signal"'),
    *("0x20000", "131072", "0x60000", "4", "0", "-1", "65535", "65536", "1e3", "0o17", "9" * 25, "true", "null", "nan"),
    *('"${home}"', '"${a}/${b}"', '"$$"', '"${"', "${", "}", "$", '"."', '"/"', '"//etc/./x/"', '"/etc/shadow"', '""'),
    *(
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ",,",
        ":",
        "=",
        ".",
        "'",
        '"',
        "'''",
        '"""',
        "#",
        "# why\n",
        "\\",
        "\\u0041",
    ),
    *("\\ud800", "\\x00", "\n", "\r\n", "\r", "\t", " ", "\0", "\x7f", "\u2028", "\u202e", "\u00e9", "\U0001f40e"),
    *("[[path_beneath]]\n", "[[net_port]]\n", "[[ruleset]]\n", "[[variable]]\n", "[path_beneath]\n", "abi = 6\n"),
    *('path_beneath = [{ allowed_access = ["execute"], parent = ["/x"] }]\n', "a.b.c = 1\n", '"abi" = 2\n', "\ufeff"),
    *(f'"{key}": [' for key in KEYS["json"]),
    *(f"{key} = [" for key in KEYS["toml"]),
)
_BYTES = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\x00")
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\w+|\s+|.', re.DOTALL)
# Mostly used to replace a value, so that a policy often stays valid.
_ALIKE: tuple[Sequence[Any], ...] = (
    [*FS, 0x20000, 3 << 40, "abi.all", "abi.read_write", "abi.read_execute"],
    [*NET, 0x10],
    [*SCOPED, 4],
    KEYS["json"],
)
_VALUES: tuple[Any, ...] = (
    *("read_file", "abi.all", "bind_tcp", "foo", "/usr", "/", ".", "./x/", "${a}", "${foo}", "$$", "é🐎", "a\nb", ""),
    *(0, 1, 6, 80, 65535, 2**31, 2**64, -1, 1.5, True, None, [], {}, ["x"], {"x": 1}),
)


def seeds() -> list[bytes]:
    """Return the samples, the reference's accepted and refused cases in both formats, and unusual layouts."""
    texts = [DOCUMENT, VARIABLES, DOCUMENT.replace("\n", "\r\n"), VARIABLES.rstrip("\n")]
    for name in sample_names():
        with open(policy_path(name), encoding="utf-8") as file:
            texts.append(file.read())
    for value in values():
        texts += [text_of(value, "toml"), text_of(value, "json"), json.dumps(value, indent=2)]
    return [text.encode() for text in texts]


def values() -> list[Any]:
    """Return the reference's cases as JSON values."""
    cases = [case[0] for case in (*ACCEPTED, *EXAMPLES)] + [side for case in COMPOSED for side in case[:2]]
    return [*cases, *REFUSED]


class Spoiler:
    """Makes new texts from known ones; the same ``chance`` makes the same."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.values = [*values(), *(case[0] for case in ACCEPTED * 4)]

    def spoiled(self, corpus: Sequence[bytes]) -> bytes:
        """Return a new text: one of ``corpus``, or a case of the reference, after one to six changes."""
        chance = self.chance
        if chance.random() < 0.6:
            value = chance.choice(self.values)
            for _ in range(chance.choice((0, 1, 1, 2, 4))):
                value = self.value_changed(value)
            data = self.written(value if isinstance(value, dict) else {"ruleset": value})
            changes = chance.choice((0, 0, 0, 1))
        else:
            data = chance.choice(corpus)
            changes = chance.choice((1, 1, 1, 1, 2, 6))
        for _ in range(changes):
            data = self.changed(data, corpus)[:LONGEST]
        return data

    def written(self, value: dict[str, Any]) -> bytes:
        """Return a case as text, in one of the two formats."""
        chance = self.chance
        way = chance.random()
        if way < 0.35:
            text = json.dumps(value, indent=chance.choice((None, None, 0, 2, "\t")), ensure_ascii=chance.random() < 0.5)
        elif way < 0.5:
            text = text_of(value, "toml")
        else:
            text = self.headed(value)
        return text.encode("utf-8", "replace")

    def headed(self, value: dict[str, Any]) -> str:
        """Return a case as TOML with a header for each table, as people write it."""
        chance = self.chance
        spelled = dict(zip(KEYS["json"], KEYS["toml"], strict=True))
        tables = []
        lines = []
        for key, each in value.items():
            name = spelled.get(key, key)
            if isinstance(each, list) and each and all(isinstance(table, dict) and table for table in each):
                tables += [(name, table) for table in each]
            elif each is not None:
                lines.append(text_of({key: each}, "toml"))
        if chance.random() < 0.3:
            chance.shuffle(tables)
        newline = chance.choice(("\n", "\n", "\r\n"))
        gap = chance.choice(("", newline, f"{newline}# why{newline}"))
        wide = chance.random() < 0.4
        for name, table in tables:
            lines.append(f"{gap}[[{name}]]{chance.choice(('', '', '  # here'))}")
            for key, own in table.items():
                line = text_of({key: own}, "toml")
                if wide and isinstance(own, list) and own:
                    items = f",{chance.choice(('', ' # why'))}{newline}    ".join(json.dumps(item) for item in own)
                    line = f"{spelled.get(key, key)} = [{newline}    {items}{chance.choice(('', ','))}{newline}]"
                lines.append(line)
        return newline.join(lines) + chance.choice(("", newline, newline * 2))

    def value_changed(self, value: Any) -> Any:
        """Return a JSON value with one change that keeps it valid JSON."""
        chance = self.chance
        if isinstance(value, dict) and value and chance.random() < 0.9:
            key = chance.choice(list(value))
            what = chance.random()
            if what < 0.04:
                return {other: own for other, own in value.items() if other != key}
            if what < 0.06:
                return value | {chance.choice(KEYS["json"]): value[key]}
            return value | {key: self.value_changed(value[key])}
        if isinstance(value, list) and value and chance.random() < 0.9:
            at = chance.randrange(len(value))
            what = chance.random()
            if what < 0.15:
                return value[:at] + value[at + 1 :]
            if what < 0.4:
                return value[: at + 1] + value[at:]
            if what < 0.5:
                return [*value[:at], self.value_changed(value[at]), *value[at:]]
            return [*value[:at], self.value_changed(value[at]), *value[at + 1 :]]
        alike = next((each for each in _ALIKE if value in each), None) or [
            each for each in _VALUES if type(each) is type(value)
        ]
        return chance.choice(alike if alike and chance.random() < 0.9 else _VALUES)

    def changed(self, data: bytes, corpus: Sequence[bytes]) -> bytes:
        """Return ``data`` after one change of its bytes, tokens or lines."""
        chance = self.chance
        way = chance.random()
        if way < 0.15:
            at = chance.randint(0, len(data))
            return data[:at] + chance.choice(_BYTES) + data[at + chance.randint(0, 2) :]
        if way < 0.25:
            other = chance.choice(corpus)
            return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]
        text = data.decode("utf-8", "surrogateescape")
        if way < 0.45:
            lines = text.splitlines(keepends=True) or [""]
            return self.moved(lines).encode("utf-8", "surrogateescape")
        if way < 0.5:
            text = text.replace("\r\n", "\n") if "\r\n" in text else text.replace("\n", "\r\n")
            return text.encode("utf-8", "surrogateescape")
        return self.moved(_TOKEN.findall(text) or [""]).encode("utf-8", "surrogateescape")

    def moved(self, parts: list[str]) -> str:
        """Join ``parts`` after removing, adding, swapping or repeating some."""
        chance = self.chance
        at = chance.randrange(len(parts))
        end = min(len(parts), at + chance.choice((1, 1, 1, 2, 5, 20)))
        way = chance.random()
        if way < 0.2:
            del parts[at:end]
        elif way < 0.35:
            parts[at:at] = parts[at:end] * chance.choice((1, 1, 2, 10, 200))
        elif way < 0.5:
            other = chance.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        elif way < 0.6:
            parts[at:end] = chance.sample(parts[at:end], end - at)
        elif way < 0.8:
            parts.insert(at, chance.choice(_PIECES))
        else:
            parts[at] = chance.choice(_PIECES)
        return "".join(parts)
