"""Cameras found, asked and tried before they are registered: by hand, from a table, by ONVIF."""

from __future__ import annotations

import http.server
import io
import socket
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from ipycam.camera import CameraConfig, IPCamera
from ipycam.discovery import WSDiscoveryServer
from ipycam.http import IPCameraHTTPHandler

from camera_ingest.cli import main
from camera_ingest.folders import read_cameras
from camera_ingest.listed import read_list
from camera_ingest.onvif import ask, discover, with_password
from camera_ingest.probing import probe
from ledger.door.hall import create_ledger, open_ledger
from ledger.errors import Malformed, MingjianError, NotAllowed, Unavailable

PASSWORD = "long/and odd"


class Quiet(IPCameraHTTPHandler):  # type: ignore[misc]
    """The device's own handler; a client that goes away is not news."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@pytest.fixture(scope="module")
def device() -> Iterator[str]:
    """A virtual ONVIF camera on the loopback, which answers probes too."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    port = server.server_address[1]
    config = CameraConfig(name="hall", local_ip="127.0.0.1", onvif_port=port, username="ann", password=PASSWORD)
    camera = IPCamera(config)
    IPCameraHTTPHandler.camera = camera
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    finder = WSDiscoveryServer(camera.onvif)
    finder.sock.close()
    finder.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finder.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    finder.sock.bind(("127.0.0.1", 3702))
    finder.sock.settimeout(0.2)
    finder._send_announcement = lambda _action: None  # nothing leaves the loopback
    finder.start()
    yield f"127.0.0.1:{port}"
    finder.running = False
    finder.join(timeout=5)
    finder.sock.close()
    server.shutdown()
    server.server_close()
    serving.join(timeout=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("found") / "data"
    create_ledger(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main([*words, "--json"])
    return code, orjson.loads(capsys.readouterr().out)


# ------------------------------------------------------------------------------------------------------------- ONVIF


def test_a_camera_that_answers_a_probe_is_found_with_its_name(device: str) -> None:
    found = discover(at="127.0.0.1", wait_s=1)
    assert [(one.address, one.name) for one in found] == [(f"http://{device}/onvif/device_service", "hall")]


def test_a_camera_tells_its_streams_the_finest_first_and_how_far_its_clock_is_off(device: str) -> None:
    found = ask(device, user="ann", password=PASSWORD)
    sizes = [(one.encoding, one.width, one.height) for one in found.profiles]
    assert sizes == [("H264", 1920, 1080), ("H264", 640, 360)]
    assert found.clock_offset_us is not None
    assert abs(found.clock_offset_us) < 5_000_000
    assert found.manufacturer


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_said_to_be_one(device: str, password: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        ask(device, user="ann", password=password)
    assert refused.value.code == "camera-password"


def test_what_is_no_camera_is_said_to_be_none() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign, assignment]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.raises(MingjianError) as refused:
            ask(f"127.0.0.1:{server.server_address[1]}")
        assert refused.value.code in ("no-onvif", "camera-gone")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.mark.parametrize(
    ("address", "kind"), [("127.0.0.1:9", Unavailable), ("127.0.0.1:99999", Malformed), ("", Malformed)]
)
def test_an_address_where_nothing_is_gets_a_clear_word(address: str, kind: type[MingjianError]) -> None:
    with pytest.raises(kind):
        ask(address)


def test_nobody_answers_a_probe_and_that_is_no_error() -> None:
    assert discover(at="127.0.0.2", wait_s=0.2) == []


def test_a_password_stands_in_an_address_so_that_no_sign_of_it_is_taken_for_another() -> None:
    assert with_password("rtsp://h:554/a", "a b", "p/w@x") == "rtsp://a%20b:p%2Fw%40x@h:554/a"
    assert with_password("rtsp://ann@h/a", "", "p/w") == "rtsp://ann:p%2Fw@h/a"
    assert with_password("rtsp://h/a", "", "p") == "rtsp://h/a"


def test_a_camera_is_added_by_asking_it(
    device: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    words = ("--onvif", device, "--user", "ann", "--password-file", str(secret), "--data", str(data))
    code, answer = said(capsys, "add", "asked", *words)
    assert code == 0
    assert answer["stream"]["silent"]  # the virtual camera speaks ONVIF and sends no picture
    url = read_cameras(data)["asked"].url
    assert url.startswith("rtsp://ann:long%2Fand%20odd@127.0.0.1:")


@pytest.mark.parametrize("url", ["rtsp://ann@127.0.0.1:9/a", "-"])
def test_a_password_need_not_stand_on_the_command_line(
    url: str, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = "rtsp://ann:p%2Fw@127.0.0.1:9/a" if url == "-" else "p/w"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    asks = ("--url", "-") if url == "-" else ("--url", url, "--password-file", "-")
    code, _ = said(capsys, "add", "quiet", *asks, "--untried", "--data", str(data))
    assert code == 0
    assert read_cameras(data)["quiet"].url == "rtsp://ann:p%2Fw@127.0.0.1:9/a"


def test_discover_says_of_each_camera_what_it_offers_or_why_not(
    device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer = said(capsys, "discover", "--at", "127.0.0.1", "--wait-s", "0.5", "--profiles", "--user", "ann")
    assert code == 0
    assert [one["error"]["code"] for one in answer["cameras"]] == ["camera-password"]


# ----------------------------------------------------------------------------------------------------- trying a stream


def test_what_is_no_video_is_refused_before_anything_is_registered(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 100)
    before = read_cameras(data)
    for path in (sound, text):
        code, answer = said(capsys, "add", "odd", "--url", str(path), "--data", str(data))
        assert (code, answer["error"]["code"]) == (1, "camera-not-video")
    assert read_cameras(data) == before


def test_a_stream_that_never_answers_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unavailable) as late:
            probe(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", timeout_s=1.5)
    assert late.value.code == "camera-stall"


def test_a_camera_that_is_only_silent_now_may_be_registered(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = said(capsys, "add", "silent", "--url", "rtsp://127.0.0.1:9/x", "--data", str(data))
    assert code == 0
    assert answer["stream"]["code"] == "camera-unreachable"
    assert "silent" in read_cameras(data)


# ------------------------------------------------------------------------------------------------------------- tables


def test_a_table_of_cameras_is_registered_whole(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "cameras.csv"
    table.write_text("\ufeffid,url,windows,place\r\nt1,rtsp://127.0.0.1:9/1,,counter\r\nt2,rtsp://127.0.0.1:9/2,,\r\n")
    code, answer = said(capsys, "add", "--csv", str(table), "--untried", "--data", str(data))
    assert code == 0
    assert [one["camera"] for one in answer["cameras"]] == ["t1", "t2"]
    with open_ledger(data) as hall:
        _, registry = hall.door.registry()
    places = {stream: said["place"] for stream, said in registry.cameras()}
    assert (places["camera/t1"], places["camera/t2"]) == ("counter", "hall")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,url\na,rtsp://x\na,rtsp://y\n", "line 3: a stands twice"),
        ("id,url\n../a,rtsp://x\n", "line 2"),
        ("id,url,retention_days\na,rtsp://x,many\n", "line 2: 'many' is no number of days"),
        ("id,url\na\n", "another number of columns"),
        ("id,url\na,rtsp://x,more\n", "another number of columns"),
        ("name,url\na,rtsp://x\n", "the head line"),
        ("id,url,colour\na,rtsp://x,red\n", "the head line"),
        ("id,url\n", "no camera"),
        ("", "the head line"),
        ('id,url\na,"rtsp://x\n', "line"),
    ],
)
def test_a_table_that_cannot_be_taken_says_which_line_and_why(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "cameras.csv"
    path.write_text(text)
    with pytest.raises(Malformed) as refused:
        read_list(path)
    assert told in refused.value.message


def test_a_table_with_one_bad_line_registers_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "cameras.csv"
    table.write_text("id,url\ngood,rtsp://127.0.0.1:9/1\nbad/one,rtsp://127.0.0.1:9/2\n")
    code, answer = said(capsys, "add", "--csv", str(table), "--untried", "--data", str(data))
    assert (code, answer["error"]["code"]) == (1, "camera-list")
    assert "good" not in read_cameras(data)
