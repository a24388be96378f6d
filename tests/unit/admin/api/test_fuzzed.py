"""Schemathesis over the document: no defect, no answer that the document does not announce.

What it makes up fits the document or just not. Most of it names what is not there: `test_conformance` has what is.
"""

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounded
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from admin.domain.roles import Role
from tests.unit.admin.api.conftest import ApiOf

CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
EXAMPLES = 8  # of an operation; the same each time
NOBODY_WORKS = 503


def test_no_operation_answers_what_the_document_does_not_announce(app: Flask, api_of: ApiOf) -> None:
    headers = api_of("eve", Role.OPERATOR).headers | {"Accept-Encoding": "identity"}

    def hold(case: Case) -> None:
        answer = case.call(headers=headers)
        assert answer.status_code < 500 or answer.status_code == NOBODY_WORKS, case.as_curl_command()
        case.validate_response(answer, checks=CHECKS)

    operations = [
        found.ok() for found in schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app).get_all_operations()
    ]
    for operation in operations:
        fuzzed = given(case=operation.as_strategy())(hold)
        bounded(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(fuzzed)()
    assert len(operations) > 40
