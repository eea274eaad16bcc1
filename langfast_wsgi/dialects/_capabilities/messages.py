"""What becomes of each field of a message's body."""

from langfast_wsgi.dialects._capabilities.treatment import (
    Table,
    emulated,
    ignored,
    native,
    rejected,
)

MESSAGES: Table = {
    "model": native("an id of `/v1/models`; `DEFAULT_MODEL` without it"),
    "max_tokens": native("the upstream's; where it overruns, the text is cut here"),
    "messages": native("images and PDFs for the models of `MEDIA_MODELS` alone"),
    "system": native("in front of the messages"),
    "stream": native(),
    "temperature": native(),
    "top_p": native(),
    "stop_sequences": emulated("up to 64, of 1,000 characters at the most"),
    "tools": emulated("told in the prompt, read from the answer, checked; your own only"),
    "tool_choice": emulated("enforced by what is told, and by asking again"),
    "output_config": emulated("`format`: told, mended, checked, asked for again; `effort` ignored"),
    "output_format": emulated("as `output_config.format`, which wins"),
    "mcp_servers": rejected([]),
    "container": rejected(),
    "compaction": rejected(note="an answer would not be the summary"),
    "thread": rejected(note="nothing is kept; SDKs then go on without it"),
    "inference_geo": rejected(note="nobody here knows where a model runs"),
    "top_k": ignored(),
    "thinking": ignored({"type": "disabled"}),
    "cache_control": ignored(note="there, and on blocks and tools, where nothing is said of it"),
    "context_management": ignored({}),
    "metadata": ignored({}, {"user_id": None}),
    "service_tier": ignored("auto", "standard_only"),
    "speed": ignored("standard"),
    "diagnostics": ignored({}),
    "fallbacks": ignored([]),
    "fallback_credit_token": ignored(),
    "billing_policy": ignored({}, {"type": "billing_policy", "bill_to": "self"}),
}
# What cannot be done without in a count of tokens.
UNCOUNTED: Table = {"mcp_servers": MESSAGES["mcp_servers"]}
