"""Any request is answered as the OpenAPI document says: no 500, no undocumented status, no other schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from evently.accounts import TokenOptions
from evently.accounts.tokens import Tokens
from evently.config import Config
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.web.application import all_routes
from evently.web.edge.openapi import describe
from tests.support.serving import Serving, serving

SECRET = "a secret of the tests, long enough to sign"
EXAMPLES_PER_OPERATION = 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(describe(all_routes()))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
UNLIMITED = {name: "0" for name in Config.__struct_fields__ if name.startswith("rate_")}


def test_every_operation_is_understood() -> None:
    assert len(OPERATIONS) == len(list(SCHEMA.get_all_operations()))


@pytest.fixture(scope="module")
def server(shared_database_url: str) -> Iterator[Serving]:
    with serving(database_url=shared_database_url, secret=SECRET, access_log="false", **UNLIMITED) as running:
        yield running


@pytest.fixture(scope="module")
def admin_headers() -> dict[str, str]:
    token = Tokens(TokenOptions(SECRET.encode()), utc_now, set()).issue_access(new_id(), "admin", new_id())
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_one_that_is_described(
    server: Serving, admin_headers: dict[str, str], operation: Any
) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy())
    def send(case: Any) -> None:
        case.call_and_validate(base_url=server.url, headers=admin_headers, checks=CHECKS, timeout=60)

    send()
