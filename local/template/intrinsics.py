"""CloudFormation's parameters, conditions and intrinsic functions, for a template off AWS.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SUBSTITUTION = re.compile(r"\$\{(!?)([^${}]+)\}")
NOTHING = object()  # what AWS::NoValue resolves to, until the list or map around it drops it


class TemplateError(Exception):
    """The template or a parameter is wrong, or asks for something that has no local counterpart."""


def parameter_values(
    declared: Mapping[str, Mapping[str, Any]], overrides: Mapping[str, str]
) -> dict[str, Any]:
    """Each declared parameter's value: a string, or a list of strings for the list types."""
    for name in overrides:
        if name not in declared:
            raise TemplateError(
                f"There is no parameter {name}: the template has {_names(declared)}"
            )
    return {name: _parameter(name, spec, overrides) for name, spec in declared.items()}


def _parameter(name: str, spec: Mapping[str, Any], overrides: Mapping[str, str]) -> Any:
    given = overrides.get(name, spec.get("Default"))
    if given is None:
        raise TemplateError(f"Parameter {name} has no default and needs a value")
    # CloudFormation hands every value on as a literal string, a Number's too.
    value = text(given)
    kind = spec.get("Type", "String")
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        items = [item.strip() for item in value.split(",")]
        for item in items:
            _check(name, spec, item)
        return items
    _check(name, spec, value)
    return value


def _check(name: str, spec: Mapping[str, Any], value: str) -> None:
    for complaint in _complaints(spec, value):
        shown = "****" if spec.get("NoEcho") else repr(value)
        raise TemplateError(f"Parameter {name} is {shown}: {complaint}")


def _complaints(spec: Mapping[str, Any], value: str) -> Iterator[str]:
    allowed = [text(choice) for choice in spec.get("AllowedValues", [])]
    if allowed and value not in allowed:
        yield f"allowed values are {_names(allowed)}"
    pattern = spec.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        yield spec.get("ConstraintDescription") or f"it must match {pattern}"
    if not spec.get("MinLength", 0) <= len(value) <= spec.get("MaxLength", len(value)):
        yield f"it must have {_between(spec.get('MinLength'), spec.get('MaxLength'))} characters"
    if spec.get("Type") in ("Number", "List<Number>"):
        yield from _number_complaints(spec, value)


def _number_complaints(spec: Mapping[str, Any], value: str) -> Iterator[str]:
    try:
        number = float(value)
    except ValueError:
        yield "it must be a number"
        return
    if not float(spec.get("MinValue", number)) <= number <= float(spec.get("MaxValue", number)):
        yield f"it must be {_between(spec.get('MinValue'), spec.get('MaxValue'))}"


def _between(low: object, high: object) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _names(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"


def text(value: object) -> str:
    """Write a scalar as CloudFormation does: `true` and `false` in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Resolver(ABC):
    """Replaces intrinsic functions by their values; what resources come to, a subclass knows."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._parameters = parameters
        self._functions: Mapping[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda operands: not self._test(operands[0]),
            "Fn::And": lambda operands: all(self._test(operand) for operand in operands),
            "Fn::Or": lambda operands: any(self._test(operand) for operand in operands),
        }

    @abstractmethod
    def reference(self, name: str) -> str:
        """The value of `Ref` for a resource."""

    @abstractmethod
    def attribute(self, logical_id: str, attribute: str) -> str:
        """The value of `Fn::GetAtt`."""

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic function in it evaluated."""
        resolved = self._walk(value)
        return None if resolved is NOTHING else resolved

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise TemplateError(f"There is no condition {name}")
        return self._test(self._conditions[name])

    def _walk(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._walk, value) if item is not NOTHING]
        if not isinstance(value, dict):
            return value
        function, argument = self._intrinsic(value)
        if function:
            return function(argument)
        walked = {key: self._walk(item) for key, item in value.items()}
        return {key: item for key, item in walked.items() if item is not NOTHING}

    def _intrinsic(self, value: Mapping[str, Any]) -> tuple[Callable[[Any], Any] | None, Any]:
        if len(value) != 1:
            return None, None
        ((name, argument),) = value.items()
        if name.startswith("Fn::") and name not in self._functions:
            raise TemplateError(f"{name} has no local counterpart: {argument!r}")
        return self._functions.get(name), argument

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        return self._parameters[name] if name in self._parameters else self.reference(name)

    def _get_att(self, argument: str | Sequence[str]) -> Any:
        dotted = argument if isinstance(argument, str) else ".".join(argument)
        logical_id, _, attribute = dotted.partition(".")
        return self.attribute(logical_id, attribute)

    def _sub(self, argument: Any) -> str:
        string, variables = (argument, {}) if isinstance(argument, str) else argument

        def value(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return text(self._walk(variables[name]))
            return text(self._get_att(name) if "." in name else self._ref(name))

        return SUBSTITUTION.sub(value, string)

    def _join(self, argument: Any) -> str:
        delimiter, items = argument
        return str(delimiter).join(text(item) for item in self._walk(items))

    def _select(self, argument: Any) -> Any:
        index, items = self._walk(argument)
        try:
            return items[int(index)]
        except IndexError:
            raise TemplateError(f"Fn::Select has no item {index} in {items!r}") from None

    def _split(self, argument: Any) -> list[str]:
        delimiter, string = self._walk(argument)
        return text(string).split(delimiter)

    def _find_in_map(self, argument: Any) -> Any:
        keys = [text(key) for key in self._walk(argument)]
        found: Any = self._mappings
        for key in keys:
            if key not in found:
                raise TemplateError(f"Fn::FindInMap finds no {key} in {'.'.join(keys)}")
            found = found[key]
        return found

    def _if(self, argument: Any) -> Any:
        name, then, otherwise = argument
        return self._walk(then if self.condition(name) else otherwise)

    def _equals(self, operands: Any) -> bool:
        left, right = (self._walk(operand) for operand in operands)
        return text(left) == text(right)

    def _test(self, value: Any) -> bool:
        # `Condition` is an intrinsic only inside conditions: elsewhere it is a key like any other.
        if isinstance(value, dict) and "Condition" in value:
            return self.condition(value["Condition"])
        return bool(self._walk(value))
