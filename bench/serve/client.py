"""A client of HTTP/1.1 that counts time: requests over asyncio's sockets, bodies whole or in chunks. Python's standard library."""
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time


class Answer:
    """status, body bytes, and when the first event with a token came and the last byte, in seconds since the request."""

    def __init__(self):
        self.status, self.body, self.first, self.last, self.whole = 0, b'', None, None, False

    def events(self):
        return [json.loads(line[6:]) for line in self.body.split(b'\n') if line.startswith(b'data: {')]


def request_bytes(path, body, headers=()):
    text = json.dumps(body).encode()
    head = [f'POST {path} HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', f'Content-Length: {len(text)}', *headers]
    return '\r\n'.join(head).encode() + b'\r\n\r\n' + text


async def connect(port, receive_buffer=None):
    s = socket.socket()
    s.setblocking(False)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(s, ('127.0.0.1', port))
    return await asyncio.open_connection(sock=s)


async def read_head(reader):
    head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').lower()
    return int(head.split(' ', 2)[1]), head


def has_token(chunk):
    return b'"text":' in chunk or b'"content":"' in chunk or b'"reasoning_content":"' in chunk


async def ask(port, path, body, timeout=300):
    answer, start = Answer(), time.perf_counter()

    async def go():
        reader, writer = await connect(port)
        try:
            writer.write(request_bytes(path, body, ('Connection: close',)))
            await writer.drain()
            answer.status, head = await read_head(reader)
            if 'transfer-encoding: chunked' in head:
                while n := int(await reader.readuntil(b'\r\n'), 16):
                    chunk = (await reader.readexactly(n + 2))[:-2]
                    if answer.first is None and has_token(chunk):
                        answer.first = time.perf_counter() - start
                    answer.body += chunk
            else:
                at = head.find('content-length: ')
                answer.body = await reader.readexactly(int(head[at + 16:].split('\r', 1)[0])) if at >= 0 else await reader.read()
            answer.whole = True
            answer.last = time.perf_counter() - start
        finally:
            writer.close()

    await asyncio.wait_for(go(), timeout)
    return answer


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    """A server as a child process with a state folder of its own, ready once GET /health says 200."""

    def __init__(self, command, port, log=subprocess.DEVNULL):
        self.port = port
        self.state = tempfile.TemporaryDirectory(prefix='r1-serve-')
        self.process = subprocess.Popen([*command, '--port', str(port)], stdout=log, stderr=log,
                                        env={**os.environ, 'XDG_STATE_HOME': self.state.name})
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit(f'{command[0]} ended with {self.process.returncode}')
            try:
                with socket.create_connection(('127.0.0.1', port), 1) as s:
                    s.sendall(b'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
                    if b' 200 ' in s.recv(64):
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit(f'{command[0]} does not get ready')

    def resident(self):
        with open(f'/proc/{self.process.pid}/status') as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith('VmRSS'))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.state.cleanup()


def words(rng, n):
    return ' '.join(rng.choice(WORDS) for _ in range(n))


WORDS = '''time person year way day thing man world life hand part child eye woman place work week case point government company
number group problem fact water river stone light night morning field house table answer question reason'''.split()
