"""moto without what it finds out anew at each call."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from moto.core import models, responses
from moto.core.base_backend import BaseBackend
from moto.core.serialize import XFormedAttributePicker
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import ast_nodes
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser  # type: ignore[attr-defined]
from moto.sqs import models as sqs
from responses import CallbackResponse

from local.services import quick_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.core.serialize import AttributePickerContext


class Picker(XFormedAttributePicker):
    """A value of DynamoDB's is under one of ten names; moto looks for the other nine in many ways
    that are other services'.
    """

    def __call__(self, context: AttributePickerContext) -> Any:
        parent = getattr(context.shape, "parent", None)
        if parent is not None and parent.name == "AttributeValue":
            return context.obj.get(context.key)
        return super().__call__(context)


def quicken() -> None:
    """From now on, in this process."""
    underscored = cache(camelcase_to_underscores)
    quicker: dict[tuple[Any, str], Any] = {
        (models, "CallbackResponse"): cache(CallbackResponse),
        (responses, "XFormedAttributePicker"): Picker,
        (responses, "camelcase_to_underscores"): underscored,
        (sqs, "camelcase_to_underscores"): underscored,
        (responses, "method_names_from_class"): cache(method_names_from_class),
        (BaseBackend, "urls"): property(once_a_class(vars(BaseBackend)["urls"].fget)),
        (DynamoDBBackend, "transact_write_items"): quick_tables.undone_alone(
            DynamoDBBackend.transact_write_items
        ),
        (Table, "query"): quick_tables.within_partition(Table.query),
        (ast_nodes, "isinstance"): is_instance,
        (DepthFirstTraverser, "nodes_to_be_processed"): once_a_class(
            DepthFirstTraverser.nodes_to_be_processed
        ),
    }
    for (where, name), substitute in quicker.items():
        setattr(where, name, substitute)


_is_subclass: Callable[[Any, Any], bool] = cache(issubclass)


def is_instance(one: object, kind: Any) -> bool:
    """`isinstance`, known by type: `kind` is abstract classes, which take long to ask."""
    return _is_subclass(type(one), kind)


def once_a_class(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of what is the same for all objects of a class."""
    found: dict[type, Any] = {}

    def known(one: Any) -> Any:
        kind = type(one)
        if kind not in found:
            found[kind] = find(one)
        return found[kind]

    return known
