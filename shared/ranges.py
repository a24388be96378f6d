"""Types of checked values, for pydantic, beyond its own (`PositiveInt`, `NonNegativeFloat` and the like)."""

from typing import Annotated

from pydantic import Field

Share = Annotated[float, Field(ge=0, le=1)]
