"""What `sam validate --lint` doesn't see: cfn-lint on the template as CloudFormation gets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cfnlint.api import lint  # type: ignore[import-untyped]

from local import template

if TYPE_CHECKING:
    from pathlib import Path

REGION = "us-east-1"
# W2001, a parameter that isn't used: the translation has put its value where it was used.
IGNORED = ("W2001",)


def complaints(path: Path) -> list[str]:
    """cfn-lint's findings in the translation of the template at `path`, one a line."""
    source = template.read(path)
    template.detach_folders(source, path.parent)
    translated = template.translate(source, {}, REGION)
    found = lint(json.dumps(translated, indent=2), regions=[REGION])
    return [
        f"{match.rule.id} {'/'.join(map(str, match.path))}: {match.message}"
        for match in found
        if match.rule.id not in IGNORED
    ]
