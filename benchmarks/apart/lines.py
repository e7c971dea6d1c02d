"""``python -m benchmarks.apart.lines SECONDS DEVICE ...``: a switch whose lines take time, for kernels without netem.

Makes a TAP device for each name, says so, and then passes every frame on so many seconds after it came, to the device
behind which its address was last seen, or to all. A device may be moved into another network namespace meanwhile. Ends
when its standard input does.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from contextlib import suppress

READY = "the lines are there"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 65_536
WAITING = 4096
"""Frames on their way at most; what comes on top is dropped, as a real line would."""


class Switch:
    """Frames on their way from device to device.

    Args:
        seconds: how long each is on its way.
        names: of the devices, which are made.

    Raises:
        OSError: they cannot be made.
    """

    def __init__(self, seconds: float, names: list[str]) -> None:
        self._seconds = seconds
        self._devices = [_tap(name) for name in names]
        self._behind: dict[bytes, int] = {}
        self._way: deque[tuple[float, int, bytes]] = deque()

    def run(self, until: int) -> None:
        """Pass frames on until this file descriptor can be read."""
        while True:
            wait = max(0.0, self._way[0][0] - time.monotonic()) if self._way else None
            ready = select.select([*self._devices, until], [], [], wait)[0]
            now = time.monotonic()
            for device in ready:
                if device == until:
                    return
                self._take(device, now)
            while self._way and self._way[0][0] <= now:
                _, target, frame = self._way.popleft()
                with suppress(OSError):  # its other end is down
                    os.write(target, frame)

    def _take(self, device: int, now: float) -> None:
        with suppress(BlockingIOError):
            while len(self._way) < WAITING:
                frame = os.read(device, FRAME)
                target, source = frame[:6], frame[6:12]
                self._behind[source] = device
                known = None if target[0] & 1 else self._behind.get(target)
                others = [other for other in self._devices if other != device] if known is None else [known]
                self._way.extend((now + self._seconds, other, frame) for other in others)


def _tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


if __name__ == "__main__":
    switch = Switch(float(sys.argv[1]), sys.argv[2:])
    print(READY, flush=True)
    switch.run(sys.stdin.fileno())
