"""What `sam build` made, held against Lambda's and CloudFormation's limits.

    python -m tools.sizes [FOLDER]

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.template import reader
from local.template.account import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MB = 1024 * 1024
UNZIPPED_LIMIT = 250 * MB
RESOURCES_LIMIT = 500
TEMPLATE_LIMIT = 1 * MB
FOREIGN_LAYER = 16 * MB
"""Counted for a layer of somebody else's, of which a template knows no more than the name."""


@dataclass(frozen=True)
class Build:
    """Bytes of each function, its layers included, and what its template comes to."""

    functions: Mapping[str, int]
    resources: int
    template_bytes: int

    def excesses(self) -> Iterator[str]:
        for name, size in self.functions.items():
            if size > UNZIPPED_LIMIT:
                yield f"{name} has {size / MB:.0f} MB with its layers; the limit is 250"
        if self.resources > RESOURCES_LIMIT:
            yield f"The template has {self.resources} resources; the limit is {RESOURCES_LIMIT}"
        if self.template_bytes > TEMPLATE_LIMIT:
            yield f"The template has {self.template_bytes} bytes; the limit is {TEMPLATE_LIMIT}"


def measure(folder: Path) -> Build:
    """Raises TemplateError if `folder` has no build."""
    source = reader.read(folder / "template.yaml")
    layers = {name: tuple(layers_of(source, name)) for name in functions(source)}
    sizes = {name: size_of(code) for name, code in reader.detach_folders(source, folder).items()}
    translated = reader.translate(source, {}, REGION)
    return Build(
        functions={
            name: sizes[name] + sum(sizes.get(layer, FOREIGN_LAYER) for layer in layers[name])
            for name in layers
        },
        resources=len(translated["Resources"]),
        template_bytes=len(json.dumps(translated)),
    )


def functions(source: Mapping[str, Any]) -> Iterator[str]:
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            yield name


def layers_of(source: Mapping[str, Any], function: str) -> Iterator[str]:
    """Logical ids; an empty one for a layer that is none of the template's own."""
    shared = source.get("Globals", {}).get("Function", {}).get("Layers", [])
    own = source["Resources"][function].get("Properties", {}).get("Layers", [])
    for layer in (*shared, *own):
        yield layer.get("Ref", "") if isinstance(layer, dict) else ""


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def table(build: Build) -> Iterator[str]:
    """The largest first."""
    for name, size in sorted(build.functions.items(), key=lambda item: -item[1]):
        yield f"{size / MB:7.1f} MB  {name}"
    yield f"{build.resources:7} resources, in a template of {build.template_bytes / 1024:.0f} KB"


def main(arguments: Sequence[str]) -> int:
    build = measure(Path(*arguments) if arguments else Path(".aws-sam/build"))
    sys.stdout.writelines(f"{line}\n" for line in table(build))
    excesses = [f"{excess}\n" for excess in build.excesses()]
    sys.stderr.writelines(excesses)
    return 1 if excesses else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
