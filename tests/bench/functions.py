"""The functions' own modules, in this process, with the context that Lambda gives them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from tests.bench.bench import ROOT

if TYPE_CHECKING:
    from types import ModuleType


class Context(LambdaContext):
    def __init__(self) -> None:
        self._function_name = "bench"
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
        self._aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"


def load(name: str) -> ModuleType:
    """The app module of a folder in `functions/`: they all have the same name."""
    path = ROOT / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"{name}_app", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
