"""Hypothesis strategies for TOML in every layout that the language allows, and for policies in many layouts."""

import datetime
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from editor.landlock.rights import mask_of
from editor.policy.tree import Node

Draw = Callable[[st.SearchStrategy[Any]], Any]

# Characters that a layout or an escape could trip over come more often than by chance.
STRINGS = st.text(
    st.one_of(
        st.sampled_from("\"'\\#,[]{}=.\n\t\r \x00\x7f\u0085\u2028é🐎$"),
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("abc/"),
    ),
    max_size=8,
)
BARE = "abcXYZ019-_"
SCALARS = st.one_of(
    STRINGS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(
    STRINGS,
    st.one_of(
        VALUES,
        st.dictionaries(STRINGS, VALUES, max_size=3),
        st.lists(st.dictionaries(STRINGS, VALUES, max_size=3), min_size=1, max_size=3),
    ),
    max_size=5,
)


def _basic(text: str, *, multiline: bool = False) -> str:
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007F")
    return escaped.replace("\\n", "\n") if multiline and "\\\\n" not in escaped else escaped


def _string(draw: Draw, text: str) -> str:
    forms = [f'"{_basic(text)}"']
    controls = {char for char in text if char < " " or char == "\x7f"} - {"\t"}
    if "'" not in text and not controls:
        forms.append(f"'{text}'")
    if "''" not in text and not text.endswith("'") and not controls - {"\n"}:
        forms.append(f"'''\n{text}'''")
    forms.append(f'"""\n{_basic(text, multiline=True)}"""')
    forms.append(f'"""\\\n   \n  {_basic(text)}"""' if text[:1].strip() else f'"{_basic(text)}"')
    return str(draw(st.sampled_from(forms)))


def _number(draw: Draw, number: int) -> str:
    forms = [str(number), f"{number:_}"]
    if number >= 0:
        forms += [hex(number), f"0o{number:o}", f"0b{number:b}", f"+{number}"]
    return str(draw(st.sampled_from(forms)))


def _key(draw: Draw, key: str) -> str:
    forms = [f'"{_basic(key)}"']
    if key and set(key) <= set(BARE):
        forms = [key, key, *forms]
    if "'" not in key and not any(char < " " or char == "\x7f" for char in key):
        forms.append(f"'{key}'")
    return str(draw(st.sampled_from(forms)))


def _blank(draw: Draw) -> str:
    return str(draw(st.sampled_from(["", " ", "  ", "\t"])))


def _gap(draw: Draw) -> str:
    """Return what may separate the elements of an array."""
    return str(draw(st.sampled_from(["", "", " ", "\n", "\n    ", ' # it\'s a "comment", ]\n', "\n\n# [x]\n\t"])))


def render(draw: Draw, value: Any) -> str:
    """Return ``value`` as TOML in a layout chosen by ``draw``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(draw, value)
    if isinstance(value, int):
        return _number(draw, value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(draw(st.sampled_from("T ")))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        parts = [f"{_key(draw, key)}{_blank(draw)}={_blank(draw)}{render(draw, own)}" for key, own in value.items()]
        return "{" + _blank(draw) + f"{_blank(draw)},{_blank(draw)}".join(parts) + _blank(draw) + "}"
    parts = [_gap(draw) + render(draw, own) + _gap(draw) for own in value]
    trailing = "," + _gap(draw) if parts and draw(st.booleans()) else ""
    return "[" + ",".join(parts) + trailing + ("" if parts else _gap(draw)) + "]"


def _pairs(draw: Draw, table: dict[str, Any], prefix: str) -> list[str]:
    lines = []
    for key, value in table.items():
        name = f"{prefix}{_key(draw, key)}"
        if isinstance(value, dict) and value and draw(st.booleans()):
            dot = draw(st.sampled_from([".", " . "]))
            lines += _pairs(draw, value, f"{name}{dot}")
        else:
            comment = draw(st.sampled_from(["", "", " # why", "#"]))
            lines.append(f"{_blank(draw)}{name}{_blank(draw)}={_blank(draw)}{render(draw, value)}{comment}")
        if draw(st.integers(0, 4)) == 0:
            lines.append(draw(st.sampled_from(["", "# [table] a = 1", "   "])))
    return lines


@st.composite
def toml_texts(draw: Draw) -> str:
    """Valid TOML texts: every form of key, value and table, comments, blank lines, either line break."""
    document = draw(DOCUMENTS)
    top: dict[str, Any] = {}
    tables: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict) and draw(st.booleans()):
            tables += [f"[{_blank(draw)}{_key(draw, key)} ]", *_pairs(draw, value, "")]
        elif isinstance(value, list) and value and all(isinstance(own, dict) for own in value) and draw(st.booleans()):
            for own in value:
                nested = {name: inner for name, inner in own.items() if isinstance(inner, dict)}
                sub = draw(st.sampled_from(sorted(nested))) if nested and draw(st.booleans()) else None
                tables += [f"[[{_key(draw, key)}]] # table"]
                tables += _pairs(draw, {name: inner for name, inner in own.items() if name != sub}, "")
                if sub is not None:
                    tables += [f"[{_key(draw, key)}.{_key(draw, sub)}]", *_pairs(draw, nested[sub], "")]
        else:
            top[key] = value
    text: str = "\n".join([*_pairs(draw, top, ""), *tables]) + draw(st.sampled_from(["\n", "", "\n\n# end"]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def json_texts() -> st.SearchStrategy[str]:
    """Valid JSON texts of an object, in one line or many."""
    scalars = st.one_of(
        STRINGS, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    )
    values = st.recursive(
        scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(STRINGS, inner)), max_leaves=12
    )
    return st.builds(
        lambda value, indent, ascii_only, around: (
            around + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + around
        ),
        st.dictionaries(STRINGS, values, max_size=5),
        st.sampled_from([None, 0, 2, 4, "\t"]),
        st.booleans(),
        st.sampled_from(["", "\n", " \t\r\n"]),
    )


def whole(node: Node) -> Node:
    """Return ``node`` with all its content located, in tuples as ``locate`` returns them."""
    fields = tuple(field._replace(node=whole(field.node)) for field in node.fields)
    return node._replace(items=tuple(whole(item) for item in node.items), fields=fields)


# Policies

PATHS = [
    "/", "/usr", "/usr/", "/tmp", "/etc", "//etc", "/a/./b", ".", "./x", "..", "/a/../b", "/one", "/one/x", "/two",
    "/deux", "/dollar$", "/${one}", "/quo'te\"", "/back\\slash", "/new\nline", "/é🐎", "/bell\x07\x7f", "/a # b",
    "/ü,]}",
]  # fmt: skip
TEMPLATES = [
    *(path.replace("$", "$$") for path in PATHS),
    "${one}", "${one}/x", "${two}", "${two}/y", "/lone$", "${none}", "${one}/../${two}", "",
]  # fmt: skip
FS = [
    "execute", "write_file", "read_file", "read_dir", "make_reg", "refer", "truncate", "ioctl_dev", "resolve_unix",
    "fs.0x20000", "fs.0x40000",
]  # fmt: skip
NET = ["bind_tcp", "connect_tcp", "bind_udp", "net.0x10"]
SCOPED = ["abstract_unix_socket", "signal", "scope.0x4"]
# Beside those two bits by themselves.
MASK = ["fs.0x60000"]
PORTS = [0, 22, 80, 443, 65535]
CAMEL = {
    "handled_access_fs": "handledAccessFs",
    "handled_access_net": "handledAccessNet",
    "path_beneath": "pathBeneath",
    "net_port": "netPort",
    "allowed_access": "allowedAccess",
}


def _some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=4)


def _rights(names: list[str]) -> st.SearchStrategy[list[Any]]:
    """Return a list of rights as written in a file: those without a name are numbers."""
    return _some([mask_of(name) or name for name in names])


@st.composite
def policies(draw: Draw) -> dict[str, Any]:
    """Return the content of a policy with TOML's keys, as plain values."""
    content: dict[str, Any] = {}
    groups: list[str] = []
    every: list[str] = []
    if draw(st.booleans()):
        content["abi"] = draw(st.integers(1, 12))
        groups, every = ["abi.all", "abi.read_execute", "abi.read_write"], ["abi.all"]
    content["variable"] = [
        {"name": "one", "literal": ["/one"]},
        {"name": "two", "literal": ["/two", "/deux"]},
        {"name": "none"},
    ]
    handled = {
        "handled_access_fs": _rights([*FS, *MASK, *groups]),
        "handled_access_net": _rights([*NET, *every]),
        "scoped": _rights([*SCOPED, *every]),
    }
    keys = st.lists(st.sampled_from(sorted(handled)), min_size=1, unique=True)
    rulesets = keys.flatmap(lambda names: st.fixed_dictionaries({name: handled[name] for name in names}))
    rules = st.fixed_dictionaries({"allowed_access": _rights([*FS, *MASK, *groups]), "parent": _some(TEMPLATES)})
    ports = st.fixed_dictionaries({"allowed_access": _rights([*NET, *every]), "port": _some(PORTS)})
    sections = {"ruleset": (rulesets, 2), "path_beneath": (rules, 4), "net_port": (ports, 3)}
    for section, (tables, most) in sections.items():
        if size := draw(st.integers(0, most)):
            content[section] = draw(st.lists(tables, min_size=size, max_size=size))
    templates = json.dumps(content.get("path_beneath", []))
    if "${" not in templates.replace("$$", "") and len(content) > 2 and draw(st.booleans()):
        del content["variable"]
    return content


class Layout:
    """One style of TOML, used for a whole file as people do, with occasional exceptions."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.notes = 0
        self.equals = draw(st.sampled_from([" = ", " = ", "=", "  ="]))
        self.style = draw(st.integers(0, 6))
        self.indent = draw(st.sampled_from(["", "", "  ", "\t"]))

    def note(self) -> str:
        """Return a comment line that no edit may change."""
        self.notes += 1
        return f"# note {self.notes}."

    def array(self, values: list[Any]) -> str:
        style = self.style if self.draw(st.integers(0, 3)) else self.draw(st.integers(0, 7))
        if style == 7:
            return render(self.draw, values)
        single = style in (1, 5)
        texts = [
            f"'{value}'" if single and isinstance(value, str) and value.isprintable() and "'" not in value
            else hex(value) if value in (0x20000, 0x60000)
            else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            for value in values
        ]  # fmt: skip
        if style == 2:
            return "[" + ", ".join(texts) + ",]"
        if style == 3:
            return "[ " + ",".join(texts) + " ]"
        if style == 4:
            return "[\n" + "".join(f"    {text}, # why {at}\n" for at, text in enumerate(texts)) + "]"
        if style == 5:
            return "[\n\t# first\n\t" + ",\n\t# next\n\t".join(texts) + "\n\t]"
        if style == 6:
            return "[ # head\n  " + "\n, ".join(texts) + "\n  ]"
        return "[" + ", ".join(texts) + "]"

    def value(self, value: Any) -> str:
        if isinstance(value, list):
            return self.array(value)
        return json.dumps(value)

    def pairs(self, table: dict[str, Any]) -> list[str]:
        keys = sorted(table, reverse=self.draw(st.booleans()))
        return [f"{self.quoted(key)}{self.equals}{self.value(table[key])}" for key in keys]

    def quoted(self, key: str) -> str:
        return key if self.draw(st.integers(0, 5)) else f'"{key}"'

    def document(self, content: dict[str, Any]) -> str:
        lines: list[str] = []
        tables: list[list[str]] = []
        for section, value in content.items():
            if section == "abi":
                lines += [self.note()] * self.draw(st.integers(0, 1)) + [f"abi = {value}"]
            elif self.draw(st.integers(0, 3)):
                for table in value:
                    pairs = [self.indent + pair for pair in self.pairs(table)]
                    remark = self.draw(st.sampled_from(["", "", " # remark"]))
                    tables.append([f"{self.indent}[[{self.quoted(section)}]]{remark}", *pairs])
            else:
                inline = ["{ " + ", ".join(self.pairs(table)) + " }" for table in value]
                gap = self.draw(st.sampled_from(["", " ", "\n  ", "\n  # table\n  "]))
                trailing = self.draw(st.sampled_from(["", ","]))
                lines.append(f"{section} = [{gap}" + f",{gap or ' '}".join(inline) + trailing + gap + "]")
        tables = self.draw(st.permutations(tables))
        for table in tables:
            if self.draw(st.integers(0, 4)):
                lines.append("")
            lines += [self.note() for _ in range(self.draw(st.integers(0, 2)))]
            lines += table
            lines += [self.note()] * self.draw(st.sampled_from([0, 0, 0, 1]))
        text: str = "\n".join(lines) + self.draw(st.sampled_from(["\n", "", "\n\n", "\n# note end."]))
        return text.replace("\n", "\r\n") if self.draw(st.booleans()) else text


@st.composite
def policy_texts(draw: Draw) -> tuple[str, str]:
    """A valid policy's text in one of many layouts, and its format."""
    content = draw(policies())
    if draw(st.integers(0, 2)):
        return Layout(draw).document(content), "toml"
    camel: Any = {
        CAMEL.get(key, key): [{CAMEL.get(name, name): own for name, own in table.items()} for table in value]
        if isinstance(value, list)
        else value
        for key, value in content.items()
    }
    if draw(st.integers(0, 4)) == 0 and "netPort" not in camel:
        camel["netPort"] = None
    indent, separators = draw(st.sampled_from([(2, None), (4, None), ("\t", None), (None, None), (None, (",", ":"))]))
    text = json.dumps(camel, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    return text + draw(st.sampled_from(["", "\n"])), "json"
