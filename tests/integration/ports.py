"""Loopback ports for programs that must be told theirs before they start."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which Linux gives outgoing connections theirs (32768 and up): a broker that was killed gets its
# port back, because no client's connection can have taken it meanwhile. `bind(0)` would answer from that very range.
_RANGE = range(20_000, 32_768)


def free_port() -> int:
    """A port that nothing listens on now. Chosen by chance, so that test runs side by side rarely choose the same."""
    for port in random.sample(_RANGE, len(_RANGE)):
        if is_free(port):
            return port
    message = f"no free port between {_RANGE.start} and {_RANGE.stop}"
    raise OSError(message)


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        # As servers do it: a connection of a former one in TIME_WAIT does not make the port taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
