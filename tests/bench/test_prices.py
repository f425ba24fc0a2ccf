"""Every call that the functions' code can make has a price."""

from __future__ import annotations

from functools import cache

import botocore.session
import pytest
from botocore import xform_name

from tests.bench import prices
from tests.bench.cold_start import CLIENTS
from tests.call_graph import OPERATIONS


@pytest.mark.parametrize("mentioned", OPERATIONS)
def test_whatever_the_code_can_ask_for_has_a_price(mentioned: str) -> None:
    for operation in requests(mentioned):
        assert prices.of(operation) >= 0


def test_what_has_no_price_is_told_by_its_name() -> None:
    with pytest.raises(prices.NoPriceError, match=r"^sqs:PurgeQueue has no price in "):
        prices.of("sqs:PurgeQueue")


def requests(mentioned: str) -> set[str]:
    """By `service:operation`, the requests that come of a method of boto3's, or of what else
    `OPERATIONS` knows: members of a transaction, and Powertools' keeper of answers.
    """
    actions = OPERATIONS[mentioned]
    request = by_method(actions[0].partition(":")[0]).get(mentioned)
    return {request} if request else {"dynamodb:TransactWriteItems", *actions}


@cache
def by_method(service: str) -> dict[str, str]:
    model = botocore.session.Session().get_service_model(CLIENTS.get(service, service))
    name = model.service_id.hyphenize()
    return {xform_name(operation): f"{name}:{operation}" for operation in model.operation_names}
