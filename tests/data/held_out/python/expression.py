"""A calculator: tokens, a tree, a value."""

import operator
import re
from typing import NamedTuple, Union

TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?)|(?P<name>[a-z]\w*)|(?P<symbol>[-+*/^()=]))")

OPERATORS = {
    "+": (1, operator.add),
    "-": (1, operator.sub),
    "*": (2, operator.mul),
    "/": (2, operator.truediv),
    "^": (3, operator.pow),
}


class Number(NamedTuple):
    value: float


class Name(NamedTuple):
    name: str


class Binary(NamedTuple):
    symbol: str
    left: "Node"
    right: "Node"


Node = Union[Number, Name, Binary]


class Parser:
    def __init__(self, text):
        self.tokens = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                raise SyntaxError(f"unexpected character at {position}: {text[position]!r}")
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        self.index = 0

    def peek(self):
        return self.tokens[self.index] if self.index < len(self.tokens) else (None, None)

    def advance(self):
        token = self.peek()
        self.index += 1
        return token

    def atom(self):
        kind, text = self.advance()
        if kind == "number":
            return Number(float(text))
        if kind == "name":
            return Name(text)
        if text == "(":
            inside = self.expression(0)
            if self.advance()[1] != ")":
                raise SyntaxError("missing )")
            return inside
        raise SyntaxError(f"unexpected {text or 'end'}")

    def expression(self, level):
        left = self.atom()
        while True:
            _, symbol = self.peek()
            if symbol not in OPERATORS or OPERATORS[symbol][0] <= level:
                return left
            self.advance()
            left = Binary(symbol, left, self.expression(OPERATORS[symbol][0]))


def evaluate(node, names):
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return names[node.name]
    return OPERATORS[node.symbol][1](evaluate(node.left, names), evaluate(node.right, names))
