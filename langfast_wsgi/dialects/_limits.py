"""How many more runs would be taken now, in OpenAI's rate limit headers.

There is one limit that the gateway knows for sure: how many runs a worker has in flight at once
(MAX_RUNS). So it speaks of that, and of the worker that answers. It has no figures of tokens, nor
of what the upstream would still allow, and invents none.
"""

import math
from collections.abc import Callable

from flask import Blueprint, Response, request

from langfast_wsgi.dialects._service import Service

Making = Callable[[Service], Blueprint]


def telling_limits(make: Making) -> Making:
    """A dialect that tells it wherever a POST succeeds. Refusals have Retry-After instead."""

    def made(service: Service) -> Blueprint:
        blueprint = make(service)

        @blueprint.after_request
        def tell(response: Response) -> Response:
            if response.status_code == 200 and request.method == "POST":
                limit, left, wait = service.gateway().room()
                headers = response.headers
                headers["x-ratelimit-limit-requests"] = str(limit)
                headers["x-ratelimit-remaining-requests"] = str(left)
                headers["x-ratelimit-reset-requests"] = duration(wait)
            return response

        return blueprint

    return made


def duration(seconds: float) -> str:
    """``1s``, ``6m0s``, as OpenAI writes durations; begun seconds count as whole ones."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
