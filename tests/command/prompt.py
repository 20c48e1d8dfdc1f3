"""Drives the prompt through a pseudo-terminal, as a person does: prints what the screen showed."""

import os
import pty
import re
import select
import sys
import time

binary, folder = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(folder)
    os.environ.update(TERM="xterm", NO_COLOR="1", XDG_STATE_HOME=folder)
    os.execv(binary, [binary])

screen = ""


def wait_for(pattern, seconds=30):
    """Reads until the pattern shows after what was waited for before."""
    global screen
    deadline = time.monotonic() + seconds
    while not re.search(pattern, screen):
        left = deadline - time.monotonic()
        assert left > 0, f"no {pattern!r} in {screen!r}"
        if select.select([terminal], [], [], left)[0]:
            screen += os.read(terminal, 65536).decode(errors="replace")
    screen = screen[re.search(pattern, screen).end():]


def type_in(text):
    os.write(terminal, text.encode())


wait_for("jumeau> ")
type_in("SELECT 40 +\r")
type_in("2 AS answer;\r")
wait_for(r"│\s+42 │")
wait_for("1 row in")
print("a statement over two lines")

wait_for("jumeau> ")
type_in("SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b;\r")
wait_for("rows read")  # the progress line: the query is under way
started = time.monotonic()
type_in("\x03")
wait_for("cancelled")
assert time.monotonic() - started < 5
print("ctrl-c cancels the query")

wait_for("jumeau> ")
type_in("SELECT 'still ' || 'here' AS s;\r")
wait_for("still here")
print("and keeps the prompt")

wait_for("jumeau> ")
type_in("SELECT nothing;\r")
wait_for("no column named 'nothing'")
wait_for("jumeau> ")
type_in(".help affinity\r")
wait_for("half_life")
wait_for("jumeau> ")
type_in(".tables\r")
wait_for("no tables")
wait_for("jumeau> ")
type_in("\x1b[A\x1b[A\r")
wait_for("half_life")
print("history comes back")
wait_for("jumeau> ")
type_in(".quit\r")
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0
print("and the prompt ends")
