"""Streaming: chunks over WebSocket, durable before they're acknowledged, one WAV a session."""
