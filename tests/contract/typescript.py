"""JSON Schema of TypeScript's types, as far as published types of an API use them: aliases,
interfaces, unions, arrays, literals. A comment `// ISO date` makes a string a date and time.

An object may have more members than its type says, as for any TypeScript client.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema

if TYPE_CHECKING:
    from pathlib import Path

_TOKEN = re.compile(r"//[^\n]*|'[^']*'|\w+|[{}\[\]|=:;?]")
_ISO = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
_WORDS = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "File": {},
}


class Types:
    """The types of a file; `check` raises jsonschema.ValidationError for what isn't of one."""

    def __init__(self, source: Path) -> None:
        definitions = _Parser(source.read_text()).file()
        self._schema = {"$defs": definitions}
        jsonschema.Draft202012Validator.check_schema(self._schema)

    def check(self, value: Any, kind: str) -> None:
        wanted = self._schema | _named(kind)
        jsonschema.Draft202012Validator(wanted).validate(value)


class _Parser:
    def __init__(self, text: str) -> None:
        # A comment stands behind the semicolon of what it is about.
        dated = re.sub(r"(\w+\??):\s*string;(\s*// ISO date)", r"\1: 'ISO date';", text)
        self._tokens = [m[0] for m in _TOKEN.finditer(dated) if not m[0].startswith("//")]

    def file(self) -> dict[str, Any]:
        definitions = {}
        while self._tokens:
            kind, name = self._next(), self._next()
            definitions[name] = self._alias() if kind == "type" else self._interface()
        return definitions

    def _alias(self) -> dict[str, Any]:
        self._expect("=")
        found = self._union()
        self._expect(";")
        return found

    def _interface(self) -> dict[str, Any]:
        if self._tokens[0] != "extends":
            return self._members()
        self._next()
        return {"allOf": [_named(self._next()), self._members()]}

    def _members(self) -> dict[str, Any]:
        properties, required = {}, []
        self._expect("{")
        while self._tokens[0] != "}":
            name = self._next()
            if self._tokens[0] == "?":
                self._next()
            else:
                required.append(name)
            self._expect(":")
            properties[name] = self._union()
            self._expect(";")
        self._next()
        return {"type": "object", "properties": properties, "required": required}

    def _union(self) -> dict[str, Any]:
        if self._tokens[0] == "|":
            self._next()
        either = [self._array()]
        while self._tokens[0] == "|":
            self._next()
            either.append(self._array())
        return either[0] if len(either) == 1 else {"anyOf": either}

    def _array(self) -> dict[str, Any]:
        found = self._simple()
        while self._tokens[0] == "[":
            self._next()
            self._expect("]")
            found = {"type": "array", "items": found}
        return found

    def _simple(self) -> dict[str, Any]:
        if self._tokens[0] == "{":
            return self._members()
        token = self._next()
        if token == "'ISO date'":
            return {"type": "string", "pattern": _ISO}
        if token.startswith("'"):
            return {"const": token.strip("'")}
        return _WORDS[token] if token in _WORDS else _named(token)

    def _next(self) -> str:
        return self._tokens.pop(0)

    def _expect(self, token: str) -> None:
        found = self._next()
        assert found == token, f"{token!r} expected before {[found, *self._tokens[:5]]}"


def _named(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind}"}
