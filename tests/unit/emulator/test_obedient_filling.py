"""What the obedient model fills schemas with, by table and by property."""

import json
import re

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.emulator.obedient import answer


def fill(schema, words):
    prompt = f"Respond with JSON that conforms to this JSON Schema:\n{json.dumps(schema)}"
    text = answer([{"role": "system", "content": prompt}, {"role": "user", "content": words}])
    return json.loads(text)


def call(parameters, words):
    tool = {"type": "function", "function": {"name": "do_it", "parameters": parameters}}
    system = {"role": "system", "content": f"<tools>\n{json.dumps(tool)}\n</tools>"}
    text = answer([system, {"role": "user", "content": words}])
    made = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", text)
    assert made, text
    return json.loads(made[1])["arguments"]


def record(*required, **properties):
    return {"type": "object", "properties": properties, "required": list(required or properties)}


TEXT, WHOLE, NUMBER, TRUTH = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": WHOLE,
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }
    },
    "$ref": "#/$defs/node",
}

TABLE = [
    # numbers
    (record(a=WHOLE, b=WHOLE), "Add 2 to 3.", {"a": 2, "b": 3}),
    (record(a=WHOLE, b=WHOLE), "b=3, a=2", {"a": 2, "b": 3}),
    (record(x=NUMBER), "It is -2.5 below.", {"x": -2.5}),
    (record(x=WHOLE), "Of 2.5 take 4", {"x": 4}),
    (record(x=WHOLE), "It costs 1,200,000 in all, in gpt-4.", {"x": 1200000}),
    (record(age=WHOLE, id=WHOLE), "Make one with id 7 and age 42.", {"age": 42, "id": 7}),
    (record(x={"type": "integer", "minimum": 10, "maximum": 20}), "99", {"x": 20}),
    (record(x={"type": "integer", "exclusiveMinimum": 5}), "1", {"x": 6}),
    (record(x={"type": "integer", "multipleOf": 5}), "12", {"x": 10}),
    (record(x={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}), "8", None),
    (record(x={"type": "integer", "default": 8}), "nothing here", {"x": 8}),
    # strings
    (record(city=TEXT), "What is the weather in New York?", {"city": "New York"}),
    (record(city=TEXT), "I am Bob. How is it in Paris?", {"city": "Paris"}),
    (record(city=TEXT), "Weather of rio de janeiro", {"city": "Weather"}),
    (record(text=TEXT, to=TEXT), 'Send "see you" to Bob.', {"text": "see you", "to": "Bob"}),
    (
        record(a=TEXT, b=TEXT),
        "Fly from Rio de Janeiro to Oslo",
        {"a": "Rio de Janeiro", "b": "Oslo"},
    ),
    (
        record("from", "to", to=TEXT, **{"from": TEXT}),
        "From Rome to Bonn",
        {"from": "Rome", "to": "Bonn"},
    ),
    (record(query=TEXT), "look for cheap hotels", {"query": "cheap"}),
    (record(word=TEXT), "Is it Zoë's?", {"word": "Zoë"}),
    (record(order_id=TEXT), "Where is order A-1234?", {"order_id": "A-1234"}),
    (record(email=TEXT), "Write to Eve at eve@example.org.", {"email": "eve@example.org"}),
    (record(x={"type": "string", "maxLength": 3}), "Jonathan", {"x": "Jon"}),
    (record(x={"type": "string", "minLength": 9}), "Bob", {"x": "Bob Bob Bob"}),
    (record(x={"type": "string", "pattern": "^[A-Z]{3}$"}), "from Rome to EUR", {"x": "EUR"}),
    (record(x={"type": "string", "pattern": "^[A-Z]{3}$"}), "nothing", {"x": "AAA"}),
    (record(x={"type": "string", "pattern": r"^\d{3}-\d{2}$"}), "nothing", None),
    (record(x={"type": "string", "pattern": "^(a|b)+c?[^x]$", "minLength": 6}), "nothing", None),
    (record(x={"type": "string", "default": "usual"}), "", {"x": "usual"}),
    # formats
    (record(x={"type": "string", "format": "date"}), "On 2025-03-04 then.", {"x": "2025-03-04"}),
    (
        record(x={"type": "string", "format": "date-time"}),
        "On 2025-03-04.",
        {"x": "2025-03-04T00:00:00Z"},
    ),
    (record(x={"type": "string", "format": "time"}), "At 9:30", {"x": "09:30:00Z"}),
    (record(x={"type": "string", "format": "uri"}), "See https://a.b/c?", {"x": "https://a.b/c"}),
    (record(x={"type": "string", "format": "ipv4"}), "Ping 10.0.0.1", {"x": "10.0.0.1"}),
    (record(x={"type": "string", "format": "email"}), "x", {"x": "somebody@example.com"}),
    (
        record(x={"type": "string", "format": "uuid"}),
        "x",
        {"x": "123e4567-e89b-42d3-a456-426614174000"},
    ),
    (record(day=TEXT, name=TEXT), "Meet Eve on Friday", {"day": "Friday", "name": "Eve"}),
    (record(x=TEXT), "hi", {"x": "hi"}),
    # fixed and chosen values
    (record(x={"const": [1, None]}), "Paris", {"x": [1, None]}),
    (record(x={"enum": ["low", "very_high"]}), "A very high one", {"x": "very_high"}),
    (record(x={"enum": ["low", "high"]}), "A fine one", {"x": "low"}),
    (record(x={"enum": [1, 2, 3]}), "Take 3", {"x": 3}),
    (record(x={"type": "string", "enum": [5, "five"]}), "5", {"x": "five"}),
    # truth
    (record(alerts=TRUTH, sound=TRUTH), "alerts on, no sound", None),
    (record(send_alerts=TRUTH), "Send alerts: off", {"send_alerts": False}),
    (record(alerts=TRUTH), "Do as you like", {"alerts": True}),
    (record(alerts={"type": "boolean", "default": False}), "Do", {"alerts": False}),
    # optional
    (record("a", a=TEXT, n=WHOLE), "Take Rome 5 times", {"a": "Rome", "n": 5}),
    (record("a", a=TEXT, n=WHOLE), "Take Rome", {"a": "Rome"}),
    (record("a", a=TEXT, b=TEXT), 'Take Rome and "x"', {"a": "x"}),
    (record("a", a=TEXT, b=TEXT), 'Take "x" and "y"', {"a": "x", "b": "y"}),
    (record("a", a=TEXT, unit={"enum": ["c", "f"]}), "Rome, unit f", {"a": "Rome", "unit": "f"}),
    ({"type": "object", "properties": {"city": TEXT}}, "In Rome", {"city": "Rome"}),
    ({"type": "object", "properties": {"q": TEXT, "n": WHOLE}}, "find cats", {"q": "cats"}),
    ({"type": "object"}, "Rome", {}),
    # arrays
    (
        record(x={"type": "array", "items": TEXT}),
        "Rome, Bonn and Oslo",
        {"x": ["Rome", "Bonn", "Oslo"]},
    ),
    (record(x={"type": "array", "items": WHOLE}), "1 and 2", {"x": [1, 2]}),
    (
        record(x={"type": "array", "items": TEXT, "maxItems": 2}),
        "Rome, Bonn, Oslo",
        {"x": ["Rome", "Bonn"]},
    ),
    (
        record(x={"type": "array", "items": WHOLE, "minItems": 3, "uniqueItems": True}),
        "4",
        {"x": [4, 1, 2]},
    ),
    (
        record(x={"type": "array", "prefixItems": [TEXT, WHOLE], "items": False}),
        "Rome 4",
        {"x": ["Rome", 4]},
    ),
    (
        record(x={"type": "array", "items": record(name=TEXT, age=WHOLE)}),
        "Eve is 3, Bob is 4",
        {"x": [{"name": "Eve", "age": 3}, {"name": "Bob", "age": 4}]},
    ),
    (
        record(
            x={"type": "array", "items": {"enum": ["red", "blue", "pink"]}, "uniqueItems": True}
        ),
        "blue, then red",
        {"x": ["blue", "red"]},
    ),
    # nesting and combination
    (record(p=record(q=record(name=TEXT))), "for Eve", {"p": {"q": {"name": "Eve"}}}),
    (record(x={"type": ["null", "string"]}), "Rome", {"x": "Rome"}),
    (record(x={"anyOf": [{"type": "null"}, WHOLE]}), "5", {"x": 5}),
    (record(x={"allOf": [{"type": "integer"}, {"minimum": 7}]}), "5", {"x": 7}),
    (record(x={"oneOf": [{"const": "a"}, {"const": "b"}]}), "Rome", {"x": "a"}),
    (record(x={"type": "string", "not": {"const": "Rome"}}), "Rome", None),
    ({"$defs": {"c": {"enum": ["x"]}}, **record(x={"$ref": "#/$defs/c"})}, "Rome", {"x": "x"}),
    ({"$defs": {"a/b": WHOLE}, **record(x={"$ref": "#/$defs/a~1b"})}, "4", {"x": 4}),
    ({"type": "object", "additionalProperties": WHOLE, "minProperties": 2}, "4", None),
    (
        {
            **record(kind={"enum": ["a", "b"]}),
            "if": {"properties": {"kind": {"const": "b"}}},
            "then": record(n=WHOLE),
            "else": record(t=TEXT),
        },
        "Bob",
        None,
    ),
    (TREE, "1 2", None),
]


@pytest.mark.parametrize(("schema", "words", "expected"), TABLE)
@pytest.mark.parametrize("ask", [fill, call])
def test_values_come_from_the_words_and_fit(ask, schema, words, expected):
    value = ask(schema, words)
    jsonschema.validate(value, schema)
    assert expected is None or value == expected


def test_a_property_near_a_no_is_false():
    assert fill(
        record(alerts=TRUTH, sound=TRUTH), "Turn on alerts but please leave it with no sound"
    ) == {
        "alerts": True,
        "sound": False,
    }


def test_a_recursive_schema_ends():
    text = json.dumps(fill(TREE, "1 2 3 4 5 6 7 8 9"))
    assert '"next": null' in text
    assert len(text) < 500


def test_a_schema_that_multiplies_is_given_up_in_time():
    layers = {
        f"l{n}": record(**{name: {"$ref": f"#/$defs/l{n + 1}"} for name in "abc"})
        for n in range(40)
    }
    assert fill({"$defs": layers, "$ref": "#/$defs/l0"}, "Rome")
    branches = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 3} for n in range(40)}
    assert "x" in fill(
        {"$defs": {**branches, "l40": False}, **record(x={"$ref": "#/$defs/l0"})}, "Rome"
    )


def test_a_pattern_that_would_explode_is_not_tried():
    schema = record(x={"type": "string", "pattern": "^(a+)+$"})
    assert fill(schema, '"' + "a" * 60 + '!"')["x"].strip("a") == ""


WORDS = st.lists(
    st.sampled_from(
        [
            "What",
            "in",
            "Paris",
            "New York",
            "is",
            '"tea time"',
            "5",
            "-3",
            "2.5",
            "1,000",
            "no",
            "red",
            "2024-05-06",
            "a@b.org",
            "alerts",
            "name",
            "Zoë",
            "both",
            "and",
            ",",
            ".",
            "?",
            "\n",
            "'",
        ]
    ),
    max_size=14,
).map(" ".join)
NAMES = st.sampled_from(
    ["city", "name", "x", "alerts", "order_id", "from", "to", "when", "päth", "a b"]
)


def bounded(low, high, least, most):
    """A strategy for pairs of optional bounds under two names, in order."""
    pairs = st.tuples(st.integers(least, most), st.integers(least, most)).map(sorted)
    keep = st.sampled_from([(), (low,), (high,), (low, high)])
    return st.tuples(pairs, keep).map(lambda both: {key: both[0][key == high] for key in both[1]})


STRINGS = st.one_of(
    bounded("minLength", "maxLength", 0, 30).map(lambda sizes: {"type": "string", **sizes}),
    st.sampled_from(
        [
            r"^[A-Z]{3}$",
            r"^\d+$",
            r"^[a-z0-9-]{2,20}$",
            r"^(red|green)$",
            r"[^a]{4}",
            r"^\+?\d{3,8}$",
            r"^[A-Za-z_]\w*$",
            r"^#(?:[0-9a-f]{3}){1,2}$",
            r"\.(?:png|jpe?g)$",
            r"^[^@\s]+@[^@\s]+$",
        ]
    ).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from(
        ["date", "date-time", "time", "email", "uuid", "uri", "ipv4", "ipv6", "hostname"]
    ).map(lambda form: {"type": "string", "format": form}),
)
NUMBERS = st.one_of(
    bounded("minimum", "maximum", -50, 50).map(lambda ends: {"type": "integer", **ends}),
    bounded("minimum", "maximum", -50, 50).map(lambda ends: {"type": "number", **ends}),
    st.integers(1, 9).map(lambda step: {"type": "integer", "multipleOf": step}),
    st.sampled_from([0.5, 0.1, 0.01, 2.5]).map(lambda step: {"type": "number", "multipleOf": step}),
    st.integers(-9, 9).map(
        lambda low: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + 0.25}
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)
LEAVES = st.one_of(
    STRINGS,
    NUMBERS,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, True]),
    VALUES.map(lambda value: {"const": value}),
    st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    st.sampled_from([{"type": ["string", "null"]}, {"type": ["null", "integer"], "minimum": 4}]),
)


def objects(inner):
    properties = st.dictionaries(NAMES, inner, max_size=4)
    return st.tuples(
        properties, st.sets(NAMES), st.sampled_from([{}, {"additionalProperties": False}])
    ).map(
        lambda parts: {
            "type": "object",
            "properties": parts[0],
            "required": sorted(parts[1] & parts[0].keys()),
            **parts[2],
        }
    )


def arrays(inner):
    sizes = bounded("minItems", "maxItems", 0, 4)
    return st.one_of(
        st.tuples(inner, sizes).map(lambda both: {"type": "array", "items": both[0], **both[1]}),
        sizes.map(lambda ends: {"type": "array", "items": STRING, "uniqueItems": True, **ends}),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: {"type": "array", "prefixItems": parts}
        ),
        inner.map(lambda part: {"type": "array", "contains": part}),
    )


STRING = {"type": "string"}


def combined(inner):
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts}),
        inner.map(lambda part: {"oneOf": [part, {"type": "array", "minItems": 90}]}),
        inner.map(lambda part: {"allOf": [part, {}]}),
        inner.map(lambda part: {"anyOf": [{"type": "null"}, part]}),
    )


SCHEMAS = st.recursive(
    LEAVES, lambda inner: st.one_of(objects(inner), arrays(inner), combined(inner)), max_leaves=8
)
SLOW = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def referring(schema):
    """The same schema, by a reference."""
    return {
        "type": "object",
        "properties": {"it": {"$ref": "#/$defs/it"}},
        "required": ["it"],
        "$defs": {"it": schema},
    }


@SLOW
@given(SCHEMAS, WORDS)
@example({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]}, "5")
def test_what_is_filled_fits_any_schema(schema, words):
    whole = referring(schema)
    jsonschema.validate(fill(whole, words), whole)


@SLOW
@given(objects(SCHEMAS), WORDS)
def test_arguments_fit_any_parameters(schema, words):
    made = answer(
        [
            {
                "role": "system",
                "content": json.dumps({"name": "do_it", "parameters": schema})
                + '\n{"calls": [{"name": "x", "arguments": {}}]}',
            },
            {"role": "user", "content": words},
        ]
    )
    for one in json.loads(made)["calls"]:
        assert one["name"] == "do_it"
        jsonschema.validate(one["arguments"], schema)


JSONISH = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "type", "name"]) | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            '{"name": "f", "parameters": ',
            '{"type": "object", "properties": {"a": ',
            '"arguments"',
            "}",
            "]",
            "[",
            "{",
            ":",
            ",",
            '"',
            "\\",
            "<tools>",
            "<tool_call>",
            "</tool_call>",
            "```json",
            "```",
            "JSON",
            "Schema",
            "say exactly: ",
            "You must call",
            "do not call tools",
            "Tool result: ",
            "<tool_response>",
            '{"$ref": "#"}',
            '{"enum": []}',
            '{"type": "array", "minItems": 1e9}',
            '{"type": "string", "minLength": 1e9}',
            '{"pattern": "["}',
            '{"pattern": "a{99999}", "type": "string"}',
            '{"required": ["x"]}',
            "both",
            "\n",
            "5",
            '{"name": "g", "parameters": {"allOf": [{"$ref": "#"}]}}',
            '{"anyOf": [false]}',
            '{"multipleOf": 1e-300}',
        ]
    ),
    max_size=14,
).map(" ".join)
MESSAGES = st.lists(
    st.one_of(
        JSONISH,
        st.fixed_dictionaries(
            {
                "role": st.sampled_from(
                    ["system", "user", "assistant", "tool", "developer", "?", None]
                ),
                "content": st.one_of(FRAGMENTS, WORDS, JSONISH, st.lists(JSONISH, max_size=2)),
            }
        ),
    ),
    max_size=4,
)


@SLOW
@given(MESSAGES)
def test_nothing_makes_it_raise_and_it_says_the_same_twice(messages):
    first = answer(messages)
    first.encode()
    assert answer(messages) == first
