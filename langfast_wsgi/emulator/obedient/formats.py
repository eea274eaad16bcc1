"""The formats of strings that JSON Schema names: what has them, and an example of each."""

import re

_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-][01]\d:[0-5]\d)"
_MONTH_DAY = r"(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
_DATE = rf"[12]\d{{3}}-{_MONTH_DAY}"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){0,8}[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"

# Each is narrower than the standard where that is simpler: values that are refused
# though they were right are only replaced by the example.
_FORMATS = {
    "date": (_DATE, "2024-01-15"),
    "date-time": (f"{_DATE}T{_TIME}", "2024-01-15T12:00:00Z"),
    "time": (_TIME, "12:00:00Z"),
    "duration": (r"P(?:\d{1,4}D)?(?:T\d{1,4}[HMS])?(?<=[DHMS])", "P1D"),
    "email": (rf"[\w+-]{{1,32}}(?:\.[\w+-]{{1,32}}){{0,2}}@{_HOST}", "somebody@example.com"),
    "hostname": (_HOST, "example.com"),
    "ipv4": (rf"{_BYTE}(?:\.{_BYTE}){{3}}", "192.0.2.1"),
    "ipv6": (r"(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}", "2001:db8:0:0:0:0:0:1"),
    "uri": (r"https?://[\w.-]{1,200}(?::\d{1,5})?(?:/[\w./%~+-]{0,500})?", "https://example.com/"),
    "uuid": (
        r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "123e4567-e89b-42d3-a456-426614174000",
    ),
    "json-pointer": (r"(?:/[a-z]{1,20}){1,5}", "/name"),
    "regex": (r"[\w ]{1,100}", "word"),
}
_ALIASES = {
    "idn-email": "email",
    "idn-hostname": "hostname",
    "iri": "uri",
    "url": "uri",
    "uri-reference": "uri",
    "iri-reference": "uri",
    "uri-template": "uri",
}
_SHAPES = {name: re.compile(rf"(?:{shape})\Z", re.A) for name, (shape, _) in _FORMATS.items()}


def has_format(value: str, name: object) -> bool:
    """Whether a string has a format; unknown formats allow everything."""
    shape = _SHAPES.get(_known(name))
    return shape is None or shape.match(value[:1000]) is not None


def example(name: object) -> str | None:
    """Return a string of this format."""
    found = _FORMATS.get(_known(name))
    return found[1] if found else None


def moulded(text: str, name: object) -> str:
    """Bring a date or time from the prompt into the full form that a format wants."""
    known = _known(name)
    if known == "date-time" and re.match(r"\d{4}-\d\d-\d\d\Z", text):
        return f"{text}T00:00:00Z"
    if known == "date-time" and re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text):
        return _full_time(text.replace(" ", "T"))
    if known == "date":
        return text[:10] if re.match(r"\d{4}-\d\d-\d\dT", text) else text
    if known == "time" and re.match(r"\d\d?:\d\d", text):
        return _full_time(text if text[2:3] == ":" else f"0{text}")
    return text


def _full_time(text: str) -> str:
    text = re.sub(r"((?:\A|T)\d\d:\d\d)(?=Z|[+-]|\Z)", r"\1:00", text)
    return text if re.search(r"(?:Z|[+-]\d\d:\d\d)\Z", text) else f"{text}Z"


def _known(name: object) -> str:
    return _ALIASES.get(name, name) if isinstance(name, str) else ""
