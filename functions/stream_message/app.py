"""`$default`: an audio chunk or a control message; the answer is the route's response."""

from __future__ import annotations

from audioapi import settings, websocket
from audioapi.streaming import messages

settings.streaming()


def message(event: websocket.Event) -> websocket.Frame | None:
    return messages.receive(
        event.get("body") or "",
        binary=event.get("isBase64Encoded", False),
        connection_id=websocket.connection_id(event),
        message_id=event["requestContext"]["messageId"],
        received_at=websocket.received_at(event),
    )


lambda_handler = websocket.message_handler(message)
