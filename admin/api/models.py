"""The published models."""

from admin.api.operations import operation
from admin.api.schemas.models import Model, Models
from admin.web.context import services
from shared.db.model_registry import ModelRegistry


@operation("GET", "/models", answer=Models)
def models() -> Models:
    """List the published models, the newest first."""
    registry = ModelRegistry(services().database, services().store)
    active = registry.active()
    return Models(models=[Model.of(model, active) for model in registry.models()])
