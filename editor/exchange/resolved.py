"""The meaning of a policy as canonical JSON: groups and variables expanded, nothing dropped for this machine."""

import json

from editor.evaluation.resolve import resolve
from editor.exchange import Exported, Source
from editor.policy.model import Policy


def export(policy: Policy, source: Source | None = None) -> Exported:
    """Return the canonical JSON of ``policy``. No policy is written in this format, so nothing counts as lost."""
    del source
    return Exported(json.dumps(resolve(policy).canonical(), indent=2) + "\n", ())
