"""The generation engine: many requests in one running batch, each row with its own adapter."""

from adloom.models.engine.engine import Engine
from adloom.models.engine.lora import Adapter
from adloom.models.engine.request import Drawn, Wanted

__all__ = ["Adapter", "Drawn", "Engine", "Wanted"]
