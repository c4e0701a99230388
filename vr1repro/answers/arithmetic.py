"""Evaluate arithmetic that a program printed, without `eval`: numbers, + - * / // % **, and functions of `math`.

An official scorer calls Python's `eval` on text that derives from the model's answer. What such text can
mean there is what `math` offers; this module gives the same values for that part and refuses the rest. Exact integer
powers are bounded, so no expression takes more than a moment or a few kilobytes.
"""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

Value = bool | int | float | complex

_MAX_LENGTH = 10_000
_MAX_BITS = 100_000
_CONSTANTS: dict[str, Value] = {"pi": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf, "nan": math.nan}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(math, name)
    for name in (
        *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "sin", "sinh", "tan", "tanh"),
        *("exp", "expm1", "log", "log10", "log1p", "log2", "pow", "sqrt", "cbrt", "hypot", "degrees", "radians"),
        *("ceil", "copysign", "fabs", "floor", "fmod", "gcd", "lcm", "trunc", "erf", "erfc", "gamma", "lgamma"),
    )
} | {"abs": abs}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class NotArithmetic(ValueError):
    """The text is no arithmetic, or its value is too large to be worked out."""


def evaluate(source: str) -> Value:
    """The value of an arithmetic expression in Python's syntax.

    Raises:
        NotArithmetic: Anything but bounded arithmetic, a division by zero and a domain error included.
    """
    if len(source) > _MAX_LENGTH:
        raise NotArithmetic("too long")
    try:
        return _value(ast.parse(source.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise NotArithmetic(str(error)) from None


def _value(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=bool() | int() | float() | complex() as value):
            return value
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return +_value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id="factorial"), args=[argument], keywords=[]):
            return _factorial(_value(argument))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*map(_value, arguments)))
    raise NotArithmetic(f"{type(node).__name__} is no arithmetic")


def _power(base: Value, exponent: Value) -> Value:
    # `int() ** int()` is exact and as long as it needs to be; floats and complex numbers overflow at once.
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MAX_BITS:
        raise NotArithmetic("too large a power")
    value: Value = base**exponent
    return value


def _factorial(argument: Value) -> Value:
    if not isinstance(argument, int) or argument > 5000:
        raise NotArithmetic("too large a factorial, or none")
    return math.factorial(argument)


def _bounded(value: Value) -> Value:
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise NotArithmetic("too large a number")
    return value
