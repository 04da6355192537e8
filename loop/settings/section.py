"""What every section of the settings shares."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings: it cannot be changed, and a name that it has not is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
