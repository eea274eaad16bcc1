"""An OpenAI-compatible API in front of a prompt runner."""

__version__ = "0.1.0"
