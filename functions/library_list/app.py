"""`GET /audio-management/audios`: a page of the caller's library, searched, filtered and sorted."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AskedTag, AudioListResponse, UsageType

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audios")
def list_audios(  # noqa: PLR0913 — each is a parameter of the query
    *,
    page: Annotated[int, Query(ge=1, le=1_000_000, description="From 1")] = 1,
    limit: Annotated[int, Query(ge=1, le=100, description="Audios on a page")] = 20,
    search: Annotated[
        str | None, Query(max_length=255, description="Words of title, description or tags")
    ] = None,
    sort_by: Annotated[
        Literal["createdAt", "title", "durationSeconds"], Query(alias="sortBy")
    ] = "createdAt",
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "desc",
    organization_id: Annotated[UUID | None, Query(alias="organizationId")] = None,
    usage_type: Annotated[UsageType | None, Query(alias="usageType")] = None,
    tags: Annotated[
        list[AskedTag] | None,
        Query(max_length=50, description="Any of these; repeated, or separated by commas"),
    ] = None,
) -> AudioListResponse:
    return service.page(
        identity.required(http.caller(app)),
        page=page,
        limit=limit,
        organization_id=organization_id,
        search=search,
        usage_type=usage_type,
        tags=service.separated(tags or []),
        sort_by=sort_by,
        descending=sort_order == "desc",
    )


lambda_handler = http.handler(app, scope="read")
