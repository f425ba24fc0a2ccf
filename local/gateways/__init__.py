"""API Gateway and function URLs: HTTP, WebSocket and streams on loopback."""
