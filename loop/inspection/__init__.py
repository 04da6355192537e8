"""Whether a finished ad may be shown: it is looked at before anybody sees it."""
