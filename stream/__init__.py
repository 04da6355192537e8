"""Events in: models, producer, consumer, dead letter, local broker."""

import warnings

with warnings.catch_warnings():
    # kafka-python reads its own schemas by a deprecated call: nothing a user could act on.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka  # noqa: F401
