"""Wire: bodies in and out as msgspec reads and writes them."""

from typing import TypeVar

import msgspec
from fastapi import Request, Response

from ritornello.serve.refusals import RefusedError

T = TypeVar("T", bound=msgspec.Struct)


async def read(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """Read and check a body.

    Raises:
        RefusedError: 400, with the place of the first mistake.
    """
    body = await request.body()
    if not body:
        raise RefusedError(400, "the body is empty: allowed is a JSON object")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, f"the body cannot be read: {error}") from error


def written(answer: msgspec.Struct) -> Response:
    """Return an answer."""
    return Response(msgspec.json.encode(answer), media_type="application/json")
