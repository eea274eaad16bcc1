"""What becomes of each field of a legacy completion's body."""

from langfast_wsgi.dialects._capabilities.treatment import (
    Table,
    emulated,
    ignored,
    native,
    rejected,
)

COMPLETIONS: Table = {
    "model": native(),
    "prompt": emulated("a user's message; up to 8 texts, a run each; arrays of tokens are a 400"),
    "best_of": native("only where it equals `n`: answers are not ranked"),
    "echo": emulated("the prompt stands before each answer"),
    "frequency_penalty": native(),
    "logit_bias": ignored({}),
    "logprobs": rejected(note="even 0 asks for those of the answer"),
    "max_tokens": native("as that of a chat; without it nothing is cut at 16"),
    "n": emulated("runs side by side; up to 8 answers for all prompts together"),
    "presence_penalty": native(),
    "seed": ignored(),
    "stop": emulated("up to 4, of 1,000 characters at the most"),
    "stream": native(),
    "stream_options": native("`include_usage`; nothing is ever obfuscated"),
    "suffix": rejected(""),
    "temperature": native(),
    "top_p": native(),
    "user": ignored(),
}
