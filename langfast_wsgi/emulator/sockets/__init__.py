"""The Socket.IO service: events, WebSocket transport, who is connected, the server around them."""
