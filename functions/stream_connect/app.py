"""`$connect`: opens a session, or attaches the connection to one."""

from __future__ import annotations

from audioapi import settings, websocket
from audioapi.streaming import service

settings.streaming()


def connect(event: websocket.Event) -> None:
    service.connect(
        websocket.caller(event),
        websocket.query(event),
        websocket.connection_id(event),
        now=websocket.received_at(event),
    )


lambda_handler = websocket.connect_handler(connect)
