"""Small request bodies of callers without a token."""

from starlette.requests import Request


async def read_body(request: Request, most_bytes: int) -> bytes | None:
    """None when it is larger; no more than that is read."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
