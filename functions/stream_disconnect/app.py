"""`$disconnect`: forgets the connection. The session goes on until it is closed or times out."""

from __future__ import annotations

from audioapi import settings, websocket
from audioapi.streaming import service

settings.streaming()


def disconnect(event: websocket.Event) -> None:
    service.disconnect(websocket.connection_id(event))


lambda_handler = websocket.connect_handler(disconnect)
