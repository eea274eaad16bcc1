"""What the programs ask of the model that obeys without thinking, and what fits the answer."""

from pydantic import BaseModel

QUESTION = 'How is the weather in "Paris"?'
PERSON = "Make me a person: Zoë, 7 years old."
YOUNG = '{"name": "Zoë", "age": 7}'
OLD = '{"name": "Zoë", "age": 70}'


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def weather_in(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"
