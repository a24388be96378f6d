"""The published models."""

from admin.api import schemas
from admin.api.operations import operation
from admin.web.context import services
from shared.db.model_registry import ModelRegistry


@operation("GET", "/models", answer=schemas.Models)
def models() -> schemas.Models:
    """List the published models, the newest first."""
    registry = ModelRegistry(services().database, services().store)
    active = registry.active()
    return schemas.Models(models=[schemas.Model.of(model, active) for model in registry.models()])
