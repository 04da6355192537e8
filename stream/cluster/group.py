"""Whether anybody reads: the consumer group, as the cluster tells it."""

from __future__ import annotations

from kafka.admin import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError, KafkaError, NoError, for_code


def members_of(admin: KafkaAdminClient, group_id: str) -> int | None:
    """How many members a group has; None where the cluster does not say.

    A login needs Describe on the group, which Read brings.
    """
    try:
        group = admin.describe_groups([group_id])[group_id]
    except GroupIdNotFoundError:
        return 0
    except (KafkaError, ValueError):  # the local broker tells rights that the client does not know
        return None
    error = for_code(group.get("error_code", 0))
    if error is GroupIdNotFoundError:
        return 0
    return len(group["members"]) if error is NoError else None
