"""instructor: its modes that a text model can carry, retries, parts of an answer."""

from collections.abc import Iterable
from typing import Any

import instructor
from asking import OLD, PERSON, YOUNG, Person
from openai import AsyncOpenAI, OpenAI
from pydantic import field_validator
from telling import BASE_URL, KEY, play, side_by_side, steer, thrown

M = instructor.Mode


class Adult(Person):
    @field_validator("age")
    @classmethod
    def grown(cls, age: int) -> int:
        if age < 18:
            raise ValueError("must be grown up")
        return age


def client(mode: Any, key: str = KEY) -> Any:
    sdk = AsyncOpenAI(base_url=BASE_URL, api_key=key, max_retries=0)
    return instructor.from_openai(sdk, mode=mode)


def asked(content: str, model: str = "auto") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}]}


async def extract(mode: Any) -> Any:
    person, answer = await client(mode).create_with_completion(
        response_model=Person, **asked(PERSON), max_retries=0
    )
    return {"person": dict(person), "tokens": answer.usage.total_tokens}


@side_by_side
async def tools() -> Any:
    return await extract(M.TOOLS)


@side_by_side
async def tools_strict() -> Any:
    return await extract(M.TOOLS_STRICT)


@side_by_side
async def json_mode() -> Any:
    return await extract(M.JSON)


@side_by_side
async def md_json() -> Any:
    return await extract(M.MD_JSON)


@side_by_side
async def json_schema() -> Any:
    return await extract(M.JSON_SCHEMA)


@side_by_side
async def responses_tools() -> Any:
    sdk = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
    asking = instructor.from_openai(sdk, mode=M.RESPONSES_TOOLS)
    return dict(
        await asking.responses.create(
            model="auto", input=PERSON, response_model=Person, max_retries=0
        )
    )


@side_by_side
async def parallel_tools() -> Any:
    people = await client(M.PARALLEL_TOOLS).create(
        response_model=Iterable[Person], **asked(PERSON), max_retries=0
    )
    return [dict(one) for one in people]


@side_by_side
async def asked_again() -> Any:
    """The gateway takes the first answer, since it fits the schema; instructor does not."""
    person = await client(M.JSON_SCHEMA).create(
        response_model=Adult, **asked(steer([YOUNG, OLD]), "echo"), max_retries=2
    )
    return dict(person)


@side_by_side
async def never_good_enough() -> Any:
    return await client(M.JSON_SCHEMA).create(
        response_model=Adult, **asked(steer(YOUNG), "echo"), max_retries=1
    )


@side_by_side
async def parts() -> Any:
    stream = client(M.JSON_SCHEMA).create_partial(response_model=Person, **asked(PERSON))
    return [dict(part) async for part in stream]


@side_by_side
async def parts_that_grow() -> Any:
    text = steer(YOUNG, chunks=8, interval=0.02)
    stream = client(M.JSON).create_partial(response_model=Person, **asked(text, "echo"))
    return [dict(part) async for part in stream]


@side_by_side
async def several() -> Any:
    text = f'{{"tasks": [{YOUNG}, {OLD}]}}'
    stream = client(M.JSON_SCHEMA).create_iterable(
        response_model=Person, **asked(steer(text), "echo")
    )
    return [dict(person) async for person in stream]


@side_by_side
async def parts_that_fail() -> Any:
    text = steer(YOUNG, chunks=5, fault="fail", at=2)
    stream = client(M.JSON).create_partial(response_model=Person, **asked(text, "echo"))
    try:
        async for part in stream:
            last = dict(part)
    except Exception as error:
        return {"last": last, "thrown": thrown(error)}
    return {"last": last, "thrown": None}


@side_by_side
async def wrong_key() -> Any:
    return await client(M.TOOLS, key="wrong").create(
        response_model=Person, **asked(PERSON), max_retries=0
    )


@side_by_side
async def blocking() -> Any:
    sdk = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
    person = instructor.from_openai(sdk, mode=M.TOOLS).create(
        response_model=Person, **asked(PERSON), max_retries=0
    )
    return dict(person)


play()
