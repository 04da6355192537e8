"""The generation engine: many requests in one running batch, each row with its own adapter."""

from models.engine.engine import Engine
from models.engine.lora import Adapter
from models.engine.request import Drawn, Wanted

__all__ = ["Adapter", "Drawn", "Engine", "Wanted"]
