"""The Feast repository of adloom and the reads and writes the loop makes on it."""

# Before any module here imports Feast.
from adloom.feature_store import plain_metrics as plain_metrics
from adloom.feature_store import unchecked_feast as unchecked_feast
