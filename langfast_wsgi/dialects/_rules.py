"""What the fields of OpenAI's older APIs mean beside each other; no field can check it alone."""

from langfast_wsgi.errors import BadRequest

MOST_CHOICES = 8


def too_many_choices(wanted: str) -> BadRequest:
    """More answers than are run side by side; ``wanted`` says how many, in the caller's terms."""
    return BadRequest(
        f"Unsupported value: 'n' does not support {wanted} here:"
        f" {MOST_CHOICES} choices are the most.",
        code="unsupported_value",
        param="n",
    )


def only_allowed_with(name: str, companion: str) -> BadRequest:
    """A field that has no meaning by itself."""
    return BadRequest(
        f"The '{name}' parameter is only allowed when '{companion}' is enabled.",
        code=None,
        param=name,
    )


def stop_words(stop: str | list[str] | None) -> tuple[str, ...]:
    """Each of them once; an empty one stops nothing."""
    words = [stop] if isinstance(stop, str) else stop or ()
    return tuple(dict.fromkeys(word for word in words if word))
