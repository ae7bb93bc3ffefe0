"""How much one request may carry: Gradio bounds each uploaded file, and nothing else."""

from typing import Any

from fastapi import HTTPException
from starlette.responses import JSONResponse

from captioner.web.uploads import MAX_FILE_SIZE, MOST_FILES

# Read into the memory as a whole: room for a picture that comes as text, which assistants send.
MOST_BYTES = 15 * 2**20
# Files go to the disk as they come; the browser sends all that were chosen in one request.
MOST_UPLOADED = MOST_FILES * MAX_FILE_SIZE + 2**20
UPLOADS = ("/upload", "/gradio_api/upload")


class BodyLimit:
    """Refuses requests with more than they may carry, told beforehand or found on the way.

    Args:
        app: what answers the others.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Answers one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MOST_UPLOADED if scope["path"] in UPLOADS else MOST_BYTES
        refusal = f"the request has more than {most:,} bytes"
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told) > most:
            await JSONResponse({"detail": refusal}, 413)(scope, receive, send)
            return
        come = 0

        async def counted() -> dict:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > most:
                raise HTTPException(413, refusal)
            return message

        await self._app(scope, counted, send)
