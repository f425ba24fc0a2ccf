"""The least that a route with a database can do: know the caller, and `SELECT 1`."""

from __future__ import annotations

from sqlalchemy import text

from audioapi import database, http, identity, problems

app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audios")
def select_one() -> dict[str, int]:
    identity.required(http.caller(app))
    return {"one": database.transaction(lambda session: session.scalars(text("SELECT 1")).one())}


lambda_handler = http.handler(app, scope="read")
