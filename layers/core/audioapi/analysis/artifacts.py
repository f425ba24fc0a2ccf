"""What is kept of an analysis, for debugging: objects below `artifacts/{conversation_id}/`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings

if TYPE_CHECKING:
    from audioapi.analysis.models import Analysis

_JSON = "application/json"
_OUTPUTS = {"summary", "insights", "transitions", "moments", "segmentation", "agent_results"}


def folder(conversation_id: str, started_at: int | None = None) -> str:
    """`started_at` tells live conversations apart: their ids are so short that some will repeat."""
    return f"artifacts/{conversation_id}" + (f"/{started_at}" if started_at else "")


def outputs_key(folder: str) -> str:
    return f"{folder}/agent_outputs.json"


def keep(analysis: Analysis) -> None:
    """Writes the timeline, then what the analysers made of it."""
    timeline = analysis.model_dump(include={"conversation_id", "timeline"})
    _put(f"{analysis.artifact_dir}/timeline.json", timeline)
    outputs = analysis.model_dump(include={"conversation_id", "warnings", *_OUTPUTS})
    _put(analysis.agent_outputs_path, outputs)


def _put(key: str, content: dict[str, Any]) -> None:
    data = json.dumps(content, ensure_ascii=False).encode()
    objects.put(settings.analysis().audio_bucket, key, data, content_type=_JSON)
