"""What programs and assistants ask of the page, and twenty visitors at once."""

import http.client
import json
import threading
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
from browsing import as_url, finished, photo
from odd_files import write_pictures, write_refused

gr = pytest.importorskip("gradio")
from gradio_client import Client, handle_file  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402

from captioner.errors import CaptionerError  # noqa: E402
from captioner.web.api import offer_caption  # noqa: E402
from captioner.web.models import LoadedModel  # noqa: E402
from captioner.web.page import build_page  # noqa: E402
from captioner.web.uploads import UploadedPicture  # noqa: E402


def test_one_event_is_public_and_all_others_are_private(tiny_model, tmp_path):
    photo(9, 9).save(tmp_path / "a-dog.png")
    page = build_page({"one": LoadedModel(tiny_model)}, tmp_path)
    events = page.fns.values()
    assert len(events) > 4
    public = [event.api_name for event in events if event.api_visibility != "private"]
    assert public == ["caption"]


@pytest.mark.parametrize("error", [CaptionerError, ValueError])
def test_what_is_wrong_is_told_to_programs_as_to_the_page(error):
    class Refusing:
        def caption_for_api(self, path, beam_size):
            raise error("there is nothing to see")

    with gr.Blocks() as page:
        offer_caption(Refusing(), UploadedPicture(), gr.Slider())
    (event,) = page.fns.values()
    with pytest.raises(gr.Error, match="there is nothing to see"):
        event.fn("a.png", 5, None)


@pytest.fixture(scope="module")
def client(server):
    return Client(server, verbose=False)


@pytest.mark.slow
def test_the_api_offers_one_endpoint(client):
    offered = client.view_api(return_format="dict", print_info=False)
    assert list(offered["named_endpoints"]) == ["/caption"]
    assert not offered["unnamed_endpoints"]


@pytest.mark.slow
def test_the_api_gives_what_the_command_gives(client, tiny_folder, tmp_path):
    from captioner.checkpoint import load

    path = tmp_path / "a.png"
    photo(300, 200).save(path)
    answer = client.predict(handle_file(path), api_name="/caption")
    expected = load(tiny_folder).caption(path, beam_size=5).as_dict()
    assert answer.keys() == expected.keys()
    assert answer["caption"] == expected["caption"]
    assert answer["grid"] == expected["grid"]
    assert len(answer["alternatives"]) == 4
    for word, wanted in zip(answer["words"], expected["words"], strict=True):
        assert word.keys() == wanted.keys()
        assert np.allclose(word["alpha"], wanted["alpha"], atol=1e-4)
    greedy = client.predict(handle_file(path), 1, api_name="/caption")
    assert greedy["alternatives"] == []


@pytest.mark.slow
def test_every_odd_file_gets_a_caption_and_every_bad_one_a_sentence(client, tmp_path):
    for folder in ("odd", "bad"):
        (tmp_path / folder).mkdir()
    for path in write_pictures(tmp_path / "odd"):
        assert client.predict(handle_file(path), 1, api_name="/caption")["caption"]
    for path, reason in write_refused(tmp_path / "bad").items():
        with pytest.raises(AppError) as caught:
            client.predict(handle_file(path), api_name="/caption")
        assert caught.value.message.startswith(f"cannot read {path.name}: {reason}")
        assert str(tmp_path) not in caught.value.message


@pytest.mark.slow
@pytest.mark.parametrize("beam_size", [99, "x", 0, None, [1], {"a": 1}])
def test_an_impossible_beam_size_is_told(client, tmp_path, beam_size):
    photo(9, 9).save(tmp_path / "a.png")
    with pytest.raises(AppError, match="the beam size is .*, but must be a whole number from 1"):
        client.predict(handle_file(tmp_path / "a.png"), beam_size, api_name="/caption")


@pytest.mark.slow
def test_no_picture_is_told(client):
    with pytest.raises(AppError, match="there is no picture"):
        client.predict(None, 5, api_name="/caption")


def post(url, body):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return json.load(urllib.request.urlopen(request, timeout=20))


@pytest.mark.slow
def test_the_api_opens_no_file_of_the_server(server, tmp_path):
    photo(9, 9).save(tmp_path / "secret.png")
    url = f"{server}gradio_api/call/caption"
    event = post(url, {"data": [{"path": str(tmp_path / "secret.png")}, 5]})["event_id"]
    answer = urllib.request.urlopen(f"{url}/{event}", timeout=20).read().decode()
    assert "the picture must be an uploaded file" in answer
    assert "event: error" in answer and "secret" not in answer


@pytest.mark.slow
def test_the_api_fetches_no_address_and_reads_no_huge_request(server):
    url = f"{server}gradio_api/call/caption"
    file = {"path": f"{server}theme.css", "meta": {"_type": "gradio.FileData"}}
    event = post(url, {"data": [file, 5]})["event_id"]
    answer = urllib.request.urlopen(f"{url}/{event}", timeout=20).read().decode()
    assert "event: error" in answer and "must be an uploaded file, not an address" in answer
    # What would be sent is told beforehand, and refused before any of it comes.
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server).netloc, timeout=20)
    connection.putrequest("POST", "/gradio_api/call/caption")
    connection.putheader("Content-Length", "16000000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.slow
def test_questions_from_outside_are_answered_with_a_sentence(server):
    config = json.load(urllib.request.urlopen(f"{server}config", timeout=20))
    viewers = [
        each["id"] for each in config["components"] if each["props"].get("elem_id") == "viewer"
    ]
    question = {
        "picture": "../../etc/passwd", "model": "tiny", "words": ["a"], "place": 0,
        "beam_size": 5, "longest": 30,
    }  # fmt: skip
    for name in ("go_on", "doubt", "animate", "numbers"):
        for data in (question, {**question, "beam_size": 10**9}, None, [1] * 1000, "x" * 10_000):
            answer = post(
                f"{server}gradio_api/component_server",
                {"data": data, "component_id": viewers[0], "fn_name": name, "session_hash": "x"},
            )
            assert set(answer) == {"error"} and "/" not in answer["error"]


@pytest.mark.slow
def test_an_assistant_gets_sentences_alone(server):
    pytest.importorskip("mcp", reason="the protocol for assistants is not installed")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def ask():
        async with (
            streamablehttp_client(f"{server}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            picture = as_url(photo(60, 40))
            good = await session.call_tool(tools[0].name, {"image": picture})
            return tools, good

    tools, good = finished(ask())
    assert [tool.name for tool in tools] == ["caption"]
    assert [part.type for part in good.content] == ["text"] and not good.isError
    caption, *words = good.content[0].text.splitlines()
    assert caption.endswith(".") and len(words) == len(caption.split())
    assert " sure. Looks " in words[0] and "alpha" not in good.content[0].text


@pytest.mark.slow
def test_twenty_visitors_at_once_get_an_answer_each_or_are_told_to_try_again(
    server, tiny_folder, tmp_path
):
    answers, began = {}, time.monotonic()

    def visit(number):
        path = tmp_path / f"{number}.png"
        photo(200, 150, seed=number).save(path)
        start = time.monotonic()
        try:
            answer = Client(server, verbose=False).predict(handle_file(path), api_name="/caption")
            answers[number] = (answer["caption"], time.monotonic() - start)
        except AppError as error:
            answers[number] = (error.message, time.monotonic() - start)

    visitors = [threading.Thread(target=visit, args=[number]) for number in range(20)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len(answers) == 20 and time.monotonic() - began < 60
    from captioner.checkpoint import load

    model, captioned = load(tiny_folder), 0
    for number, (said, seconds) in answers.items():
        assert seconds < 30
        if "try again" not in said:
            assert said == model.caption(tmp_path / f"{number}.png", beam_size=5).text
            captioned += 1
    assert captioned >= 10  # most of them are not sent away
