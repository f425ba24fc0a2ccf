"""What is kept of an analysis, for debugging: objects below `artifacts/{conversation_id}/`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings
from audioapi.analysis.models import Analysis

if TYPE_CHECKING:
    from audioapi.analysis.conversation import Conversation
    from audioapi.analysis.models import Conclusion

_JSON = "application/json"
_OUTPUTS = {"summary", "insights", "transitions", "moments", "segmentation", "agent_results"}


def folder(conversation_id: str, started_at: int | None = None) -> str:
    """`started_at` tells live conversations apart: their ids are so short that some will repeat."""
    return f"artifacts/{conversation_id}" + (f"/{started_at}" if started_at else "")


def keep(
    conversation: Conversation,
    conclusion: Conclusion,
    *,
    warnings: list[str],
    folder: str,
    upload_path: str,
) -> Analysis:
    """Writes the timeline, then what the analysers made of it. `upload_path` is the key of what
    was heard.
    """
    analysis = Analysis(
        conversation_id=conversation.conversation_id,
        utterances=len(conversation.timeline),
        timeline=conversation.timeline,
        summary=conclusion.summary,
        insights=conclusion.insights,
        transitions=conversation.transitions,
        moments=conversation.moments,
        segmentation=conclusion.segmentation,
        agent_results=conversation.agents.results(),
        warnings=warnings,
        artifact_dir=folder,
        upload_path=upload_path,
        agent_outputs_path=f"{folder}/agent_outputs.json",
    )
    timeline = analysis.model_dump(include={"conversation_id", "timeline"})
    _put(f"{analysis.artifact_dir}/timeline.json", timeline)
    outputs = analysis.model_dump(include={"conversation_id", "warnings", *_OUTPUTS})
    _put(analysis.agent_outputs_path, outputs)
    return analysis


def _put(key: str, content: dict[str, Any]) -> None:
    data = json.dumps(content, ensure_ascii=False).encode()
    objects.put(settings.analysis().audio_bucket, key, data, content_type=_JSON)
