"""Processes, threads, sockets, memory and terminals of Python's own library."""

import asyncio
import concurrent.futures
import ctypes
import fcntl
import mmap
import multiprocessing
import os
import pty
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
from multiprocessing import shared_memory
from pathlib import Path


def square(number: int) -> int:
    return number * number


def processes() -> None:
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, [3])) == [9]
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.buf[0] = 7
    seen = shared_memory.SharedMemory(name=memory.name)
    assert seen.buf[0] == 7
    seen.close()
    memory.close()
    memory.unlink()
    queue = multiprocessing.Queue()
    queue.put("x")
    assert queue.get(timeout=10) == "x"
    done = subprocess.run(["sh", "-c", "cat; exit 3"], input=b"in", stdout=subprocess.PIPE, start_new_session=True)
    assert (done.stdout, done.returncode) == (b"in", 3)
    child = subprocess.Popen(["sleep", "60"])
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM


async def conversation() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"ping\n")
    assert await reader.readline() == b"ping\n"
    writer.close()
    server.close()
    shell = await asyncio.create_subprocess_shell("echo $((6 * 7))", stdout=asyncio.subprocess.PIPE)
    assert (await shell.communicate())[0] == b"42\n"
    assert await asyncio.to_thread(square, 4) == 16


def sockets() -> None:
    path = Path(tempfile.mkdtemp(), "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(path))
        listener.listen()
        client.connect(str(path))
        end, _ = listener.accept()
        socket.send_fds(client, [b"x"], [0])
        assert socket.recv_fds(end, 1, 1)[0] == b"x"
        end.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        datagrams.sendto(b"x", datagrams.getsockname())
        assert datagrams.recv(1) == b"x"
    assert socket.getaddrinfo("localhost", 80)
    ssl.create_default_context()


def memory_and_files() -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 8192) as area:
            area[:3] = b"abc"
            area.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        os.posix_fallocate(file.fileno(), 0, 4096)
    Path("from").write_text("text")
    shutil.copy2("from", "to")
    shutil.make_archive("all", "zip", ".")
    Path("to").replace("from")
    database = sqlite3.connect("data.db")
    database.execute("pragma journal_mode=wal")
    database.execute("create table t (x)")
    database.executemany("insert into t values (?)", [(n,) for n in range(100)])
    database.commit()
    assert database.execute("select sum(x) from t").fetchone() == (4950,)
    assert ctypes.CDLL(None).getpid() == os.getpid()


def threads_signals_terminals() -> None:
    seen = []
    workers = [threading.Thread(target=seen.append, args=(n,)) for n in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(seen) == list(range(20))
    signal.signal(signal.SIGALRM, lambda *_: seen.append("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.3)
    assert "alarm" in seen
    poll = select.epoll()
    reader, writer = os.pipe()
    poll.register(reader, select.EPOLLIN)
    os.write(writer, b"x")
    assert poll.poll(1) == [(reader, select.EPOLLIN)]
    child, terminal = pty.fork()
    if child == 0:
        os.write(1, b"from a terminal")
        os._exit(0)
    assert os.read(terminal, 100) == b"from a terminal"
    os.waitpid(child, 0)


if __name__ == "__main__":
    processes()
    asyncio.run(conversation())
    sockets()
    memory_and_files()
    threads_signals_terminals()
