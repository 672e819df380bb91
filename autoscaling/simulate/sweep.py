"""What-if: the same simulation with other options, in every combination of the values that are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from autoscaling.simulate.setup import Setup, SetupError, make_setup

GROUPS = ("goal", "ray", "kwargs")
"""Fields that hold a policy's options: `goal.quantile` is one of them."""


class Axis(NamedTuple):
    """One option and the values that it takes, as they were typed."""

    key: str
    values: tuple[str, ...]


def parse_axis(text: str) -> Axis:
    """Read `slo-s=0.5,1,1.5`.

    Raises:
        SetupError: It is not of this form, or no simulation has the option.
    """
    key, equals, values = text.partition("=")
    key = key.strip().removeprefix("--")
    listed = tuple(value.strip() for value in values.split(","))
    if not equals or not key or "" in listed:
        raise SetupError(f"'{text}': write OPTION=VALUE,VALUE,..., for instance slo-s=0.5,1,1.5")
    group, dot, name = key.partition(".")
    if dot and group in GROUPS and name:
        return Axis(key, listed)
    field = key.replace("-", "_")
    if dot or field not in Setup.model_fields or field in GROUPS:
        known = ", ".join(name.replace("_", "-") for name in Setup.model_fields if name not in GROUPS)
        policies = ", ".join(f"{name}.NAME" for name in GROUPS)
        raise SetupError(f"'{key}' is no option of a simulation; there are {known}, and of policies {policies}")
    return Axis(field.replace("_", "-"), listed)


def changed(setup: Setup, values: Mapping[str, str]) -> Setup:
    """Give a setup with other values, by the keys of axes.

    Raises:
        SetupError: A value does not fit.
    """
    fields: dict[str, Any] = setup.model_dump()
    for key, text in values.items():
        group, dot, name = key.partition(".")
        if dot:
            fields[group] = {**fields[group], name: _value(text)}
        else:
            fields[key.replace("-", "_")] = None if text.lower() == "none" else text
    return make_setup(fields)


def combinations(axes: Sequence[Axis]) -> Iterator[dict[str, str]]:
    """Every combination, the last axis fastest; without axes the one without changes."""
    for values in product(*(axis.values for axis in axes)):
        yield dict(zip((axis.key for axis in axes), values, strict=True))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
