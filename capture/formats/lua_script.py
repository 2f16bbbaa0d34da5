"""Calls of `ar1` functions in a Lua script, with constant arguments; nothing is ever executed.

Understood: comments, numbers, strings, names that the script sets to such constants outside every
block, `+ - * /` and parentheses. A call counts when the script runs it come what may: as a
statement, as the value of an assignment, or in the condition of an `if`. What a script does
inside blocks depends on what happens while it runs; nothing is known of it, and names that are
set there are unknown afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from capture.errors import ConfigError
from capture.formats.common import number

Constant = Decimal | str

_TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --\[(?P<c>=*)\[.*?\](?P=c)\] | --(?!\[=*\[)[^\n]*)
  | (?P<long>\[(?P<l>=*)\[(?P<body>.*?)\](?P=l)\])
  | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
  | (?P<number>0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark>\.\.\.|\.\.|==|~=|<=|>=|//|::|<<|>>|-(?!-)|\[(?!=*\[)
      |[+*/%^#&~|<>=(){}\];:,.])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(\d{1,3}|.)", re.DOTALL | re.ASCII)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_OPENING = ("if", "for", "while", "function", "repeat", "do")
_STARTS = (
    "if", "for", "while", "function", "repeat", "do", "local", "return", "break", "goto",
    "end", "else", "elseif", "until", "then",
)  # fmt: skip
_BRACKETS = {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}
_DEEPEST = 40
_LOOK_BACK = 400


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the script: its kind ('number', 'string', 'name', 'mark', 'end'), text and line."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an `ar1` function that certainly runs.

    Attributes
    ----------
    name : of the function, without `ar1.`
    line : in the script
    arguments : constants, in order
    """

    name: str
    line: int
    arguments: tuple[Constant, ...]


class _NotConstantError(Exception):
    """An expression that is no constant; it begins at token `at`."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at, self.reason = at, reason


def tokenize(text: str) -> list[Token]:
    """Words of a Lua script, without comments; an 'end' token closes them.

    Raises
    ------
    ConfigError
        A character that begins nothing known, an unfinished string or comment; with its line.
    """
    tokens: list[Token] = []
    place, line = 0, 1
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConfigError("not Lua", where=f"line {line}", got=text[place : place + 20])
        kind = found.lastgroup if found.lastgroup in ("name", "mark", "number") else None
        if kind is None:
            kind = next(k for k in ("space", "long", "string", "number") if found[k] is not None)
        if kind == "long":
            tokens.append(Token("string", found["body"], line))
        elif kind == "string":
            tokens.append(Token("string", _unescape(found[0][1:-1]), line))
        elif kind != "space":
            tokens.append(Token(kind, found[0], line))
        line += found[0].count("\n")
        place = found.end()
    return [*tokens, Token("end", "the end of the script", line)]


def _unescape(body: str) -> str:
    return _ESCAPE.sub(
        lambda m: chr(min(int(m[1]), 255)) if m[1].isdigit() else _ESCAPES.get(m[1], m[1]), body
    )


def calls(text: str, wanted: Mapping[str, object]) -> Iterator[Call]:
    """Calls of the functions in `wanted`, in the order in which the script runs them.

    Parameters
    ----------
    text : the script
    wanted : names of the functions, without `ar1.`; the arguments of others are not read

    Raises
    ------
    ConfigError
        A wanted call inside a block, an argument that is no constant, or `ar1` used otherwise
        than for calls; with line and expression.
    """
    return _Reader(tokenize(text), wanted).calls()


class _Reader:
    """Walks over the statements of a script with the constants that are known so far."""

    def __init__(self, tokens: list[Token], wanted: Mapping[str, object]) -> None:
        self._tokens, self._wanted = tokens, wanted
        self._constants: dict[str, Constant] = {}
        self._unsure: set[str] = set()
        self._blocks: list[str] = []
        self._depth = 0
        self._at = 0

    def calls(self) -> Iterator[Call]:
        """Yield the wanted calls."""
        while self._tokens[self._at].kind != "end":
            token = self._tokens[self._at]
            if token.kind != "name":
                self._depth += _BRACKETS.get(token.text, 0) if token.kind == "mark" else 0
                self._at += 1
            elif token.text == "ar1":
                if call := self._call():
                    yield call
            elif token.text == "return" and set(self._blocks) <= {"do"}:
                return
            elif token.text in _STARTS:
                self._keyword(token)
            elif names := self._assigned():
                self._assign(names)
            else:
                self._at += 1

    def _is(self, mark: str, ahead: int) -> bool:
        place = self._at + ahead
        return place < len(self._tokens) and self._tokens[place].text == mark and (
            self._tokens[place].kind == "mark"
        )

    def _in_body(self) -> bool:
        return any(block != "if" for block in self._blocks)

    def _keyword(self, token: Token) -> None:
        """Keep account of blocks; a block 'if' is still in its condition."""
        word = token.text
        self._at += 1
        if word == "do" and self._blocks and self._blocks[-1] in ("for", "while"):
            self._blocks[-1] = "loop"
        elif word in _OPENING:
            self._blocks.append(word)
        elif word == "then" and self._blocks:
            self._blocks[-1] = "branch"
        elif word in ("end", "until"):
            if not self._blocks:
                raise ConfigError(f"'{word}' closes no block", where=f"line {token.line}")
            self._blocks.pop()
        elif word == "goto":
            raise ConfigError("scripts that jump are not supported", where=f"line {token.line}")

    def _assigned(self) -> list[str]:
        """Names before the `=` of an assignment that begins here; none where there is none."""
        before = self._tokens[self._at - 1] if self._at else None
        if before is not None and before.kind == "mark" and before.text in (".", ":"):
            return []
        ahead, names = 1, [self._tokens[self._at].text]
        while self._is(",", ahead) and self._tokens[self._at + ahead + 1].kind == "name":
            names.append(self._tokens[self._at + ahead + 1].text)
            ahead += 2
        return names if self._is("=", ahead) else []

    def _assign(self, names: list[str]) -> None:
        """Learn the value of a name, or forget the names."""
        self._at += 2 * len(names)
        value = None
        if len(names) == 1 and not self._blocks and not self._depth:
            value = self._assigned_value()
        if "function" in self._blocks:
            self._unsure.update(names)
        for name in names:
            self._constants.pop(name, None)
        if value is not None and names[0] not in self._unsure:
            self._constants[names[0]] = value

    def _assigned_value(self) -> Constant | None:
        try:
            value, after = self._expression(self._at, 0)
        except _NotConstantError:
            return None
        if not self._ends_statement(after):
            return None
        self._at = after
        return value

    def _ends_statement(self, place: int) -> bool:
        token = self._tokens[place]
        if token.kind == "name":
            return token.text not in ("and", "or")
        return token.kind == "end" or token.text == ";"

    def _call(self) -> Call | None:
        """The call at this place; its arguments are skipped where nobody wants them."""
        start = self._tokens[self._at]
        name = self._tokens[min(self._at + 2, len(self._tokens) - 1)]
        if not self._is(".", 1) or name.kind != "name" or not self._is("(", 3):
            raise ConfigError(
                "'ar1' is used for something else than a plain call", where=f"line {start.line}"
            )
        if name.text not in self._wanted:
            self._at += 4
            self._depth += 1
            return None
        if self._in_body() or self._is_behind_and_or_or():
            raise ConfigError(
                f"ar1.{name.text} inside a block or behind a condition: it may not run",
                where=f"line {start.line}",
                remedy="export the waveform from mmWave Studio as <name>.mmwave.json",
            )
        self._at += 4
        return Call(name.text, start.line, tuple(self._arguments(name.text)))

    def _is_behind_and_or_or(self) -> bool:
        """Whether this place of an expression is only reached when something else holds."""
        for place in range(self._at - 1, max(-1, self._at - _LOOK_BACK), -1):
            token, after = self._tokens[place], self._tokens[place + 1]
            if token.kind == "name" and token.text in ("and", "or"):
                return True
            if token.text in (*_STARTS, "=", ";") and token.kind in ("name", "mark"):
                return False
            is_value = token.text in (")", "]", "}") or token.kind != "mark"
            if is_value and after.kind in ("name", "number") and after.text not in ("and", "or"):
                return False
        return self._at >= _LOOK_BACK

    def _arguments(self, name: str) -> Iterator[Constant]:
        if self._is(")", 0):
            self._at += 1
            return
        while True:
            try:
                value, after = self._expression(self._at, 0)
                if self._tokens[after].text not in (",", ")"):
                    raise _NotConstantError(self._at, "it is more than numbers, names and + - * /")
            except _NotConstantError as failure:
                raise self._explain(name, failure) from None
            yield value
            self._at = after + 1
            if self._tokens[after].text == ")":
                return

    def _explain(self, name: str, failure: _NotConstantError) -> ConfigError:
        words = []
        for token in self._tokens[self._at : self._at + 20]:
            if token.text in (",", ")") and token.kind == "mark" or token.kind == "end":
                break
            words.append(token.text)
        return ConfigError(
            f"an argument of ar1.{name} is no constant: {failure.reason}",
            where=f"line {self._tokens[self._at].line}",
            got=" ".join(words) or self._tokens[self._at].text,
            expected="numbers, strings, names set to such outside blocks, + - * / and parentheses",
        )

    def _expression(self, place: int, depth: int) -> tuple[Constant, int]:
        """Sums: (value, place of the token after it)."""
        value, place = self._product(place, depth)
        while self._tokens[place].text in ("+", "-") and self._tokens[place].kind == "mark":
            sign = self._tokens[place].text
            right, after = self._product(place + 1, depth)
            value = self._combine(value, sign, right, place)
            place = after
        return value, place

    def _product(self, place: int, depth: int) -> tuple[Constant, int]:
        value, place = self._factor(place, depth)
        while self._tokens[place].text in ("*", "/") and self._tokens[place].kind == "mark":
            sign = self._tokens[place].text
            right, after = self._factor(place + 1, depth)
            value = self._combine(value, sign, right, place)
            place = after
        return value, place

    def _combine(self, left: Constant, sign: str, right: Constant, place: int) -> Constant:
        if isinstance(left, str) or isinstance(right, str):
            raise _NotConstantError(place, "it calculates with strings")
        try:
            result = {
                "+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__,
            }[sign](right)  # fmt: skip
        except ArithmeticError:
            raise _NotConstantError(place, "it divides by zero or overflows") from None
        return result

    def _factor(self, place: int, depth: int) -> tuple[Constant, int]:
        token = self._tokens[place]
        if depth > _DEEPEST:
            raise _NotConstantError(place, "it is nested too deeply")
        if token.kind == "number":
            return self._number(token, place), place + 1
        if token.kind == "string":
            return token.text, place + 1
        if token.kind == "mark" and token.text == "-":
            value, after = self._factor(place + 1, depth + 1)
            return self._combine(Decimal(0), "-", value, place), after
        if token.kind == "mark" and token.text == "(":
            value, after = self._expression(place + 1, depth + 1)
            if self._tokens[after].text != ")":
                raise _NotConstantError(place, "a parenthesis is not closed")
            return value, after + 1
        known = self._constants.get(token.text) if token.kind == "name" else None
        if known is None:
            raise _NotConstantError(place, f"'{token.text}' is not known")
        return known, place + 1

    def _number(self, token: Token, place: int) -> Decimal:
        if token.text[:2].lower() == "0x":
            return Decimal(int(token.text[2:18], 16)) if len(token.text) < 18 else Decimal("NaN")
        try:
            return number(token.text)
        except ConfigError:
            raise _NotConstantError(place, "the number is too large") from None
