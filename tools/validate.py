"""What `sam validate --lint` doesn't see: cfn-lint on the template as CloudFormation gets it.

python -m tools.validate
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from cfnlint.api import lint  # type: ignore[import-untyped]

from local.stack.stack import TEMPLATE
from local.template import reader
from local.template.account import REGION

if TYPE_CHECKING:
    from pathlib import Path

# W2001, a parameter that isn't used: the translation has put its value where it was used.
IGNORED = ("W2001",)


def complaints(path: Path) -> list[str]:
    """cfn-lint's findings in the translation of the template at `path`, one a line."""
    source = reader.read(path)
    reader.detach_folders(source, path.parent)
    translated = reader.translate(source, {}, REGION)
    found = lint(json.dumps(translated, indent=2), regions=[REGION])
    return [
        f"{match.rule.id} {'/'.join(map(str, match.path))}: {match.message}"
        for match in found
        if match.rule.id not in IGNORED
    ]


def main() -> int:
    found = complaints(TEMPLATE)
    sys.stdout.writelines(f"{line}\n" for line in found or [f"{TEMPLATE.name} is valid"])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
