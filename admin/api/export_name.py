"""The name of an export in a request: one of the registry's, in the document an enum of them."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from shared.errors import UsageError
from shared.flows.exports.registry import EXPORTS, export_named


def _known(name: str) -> str:
    try:
        return export_named(name).name
    except UsageError as error:
        raise ValueError(str(error)) from error


ExportName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(EXPORTS)})]
