"""Whether a server keeps to OpenAI's chat API on the wire: numbered checks for any base URL.

A group of checks is a module; each check is a function that looks at the server and states what
must hold. What they ask, and what they know about the server, goes through :class:`server.Server`.
"""
