"""How the library's requests and answers are written: camelCase, times in UTC (seed's form)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from audioapi.clock import iso

Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Wire(BaseModel):
    """camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        serialize_by_alias=True,
    )
