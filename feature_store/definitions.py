"""What Feast knows of adloom: entities and feature views. `feast apply` reads this file.

The stream writes the online views, which have no offline table: the offline truth is the event
log. How much of the stream is in them is a view as well, written in one step with the others, so
that a batch which is played again changes nothing.
"""

from __future__ import annotations

from pathlib import Path

from adloom.feature_store.defining import define
from adloom.feature_store.home import default_folder
from adloom.feature_store.naming_features import FeastNames

_defined = define(FeastNames())

user, item, shard, page = _defined.entities
online_views = [view.feast for view in _defined.views.values()]
(
    user_history,
    user_impressions,
    user_stats,
    user_events,
    item_stats,
    stream_progress,
) = online_views
user_clicks = _defined.clicks_in(Path(default_folder()))
