"""A small RTSP camera for the tests, run by the system's Python: ``PORT LAUNCH``.

Told on standard input, a line each: ``pattern N`` changes the picture of the element named ``src``. The element
``burn``, where there is one, makes the picture's luma the time: 28 + twice the tenths of a second, modulo 200.
"""

import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

GREY = 126  # the luma of 0xff808080


def main() -> None:
    port, launch = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared("is-live" in launch)
    sources: list = []
    burners: list = []

    def configured(_: object, media: object) -> None:
        for found, name in ((sources, "src"), (burners, "burn")):
            element = media.get_element().get_by_name(name)
            found[:] = [element] if element else []

    factory.connect("media-configure", configured)
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")

    def listen() -> None:
        for line in sys.stdin:
            word, _, value = line.strip().partition(" ")
            for source in sources if word == "pattern" else ():
                source.set_property("pattern", int(value))

    def burn() -> bool:
        for burner in burners:
            luma = 28 + 2 * (int(time.time() * 10) % 100)
            burner.set_property("brightness", (luma - GREY) / 255)
        return True

    GLib.timeout_add(20, burn)
    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
