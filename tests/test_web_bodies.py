"""No request carries more than it may."""

import pytest

pytest.importorskip("gradio")
from fastapi import FastAPI, Request  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from captioner.web import bodies  # noqa: E402
from captioner.web.bodies import BodyLimit  # noqa: E402


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    monkeypatch.setattr(bodies, "MOST_UPLOADED", 3000)
    app = FastAPI(middleware=[Middleware(BodyLimit)])

    async def count(request: Request):
        return {"bytes": len(await request.body())}

    for path in ("/ask", "/upload", "/call/upload"):
        app.post(path)(count)
    return TestClient(app)


def in_pieces(size):
    """A body whose length is not told beforehand."""
    yield from (b"x" for _ in range(size))


@pytest.mark.parametrize("body", [bytes, in_pieces], ids=["told", "untold"])
def test_a_body_that_is_too_large_is_refused(client, body):
    assert client.post("/ask", content=body(1000)).json() == {"bytes": 1000}
    for path in ("/ask", "/call/upload"):
        refused = client.post(path, content=body(1001))
        assert refused.status_code == 413
        assert refused.json() == {"detail": "the request has more than 1,000 bytes"}


def test_files_may_be_larger_together(client):
    assert client.post("/upload", content=bytes(3000)).json() == {"bytes": 3000}
    assert client.post("/upload", content=bytes(3001)).status_code == 413


def test_what_the_page_lets_a_visitor_choose_fits():
    from captioner.web.uploads import MAX_FILE_SIZE, MOST_FILES

    assert bodies.MOST_UPLOADED > MOST_FILES * MAX_FILE_SIZE
    assert bodies.MOST_BYTES > MAX_FILE_SIZE * 4 / 3  # as base64
