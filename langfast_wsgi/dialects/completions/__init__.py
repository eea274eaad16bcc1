"""OpenAI's legacy completions: a text and how it goes on."""
