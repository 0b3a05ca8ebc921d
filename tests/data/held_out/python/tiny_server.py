"""A web server for one directory that says how often each page was asked for."""

import asyncio
import collections
import html
import mimetypes
import os
import urllib.parse


class Server:
    def __init__(self, root, host="127.0.0.1", port=8000):
        self.root = os.path.realpath(root)
        self.host = host
        self.port = port
        self.hits = collections.Counter()

    async def handle(self, reader, writer):
        try:
            request = await asyncio.wait_for(reader.readline(), timeout=10)
            method, path, _ = request.decode("latin-1").split(" ", 2)
            while await reader.readline() not in (b"\r\n", b"\n", b""):
                pass
            if method != "GET":
                await self.respond(writer, 405, b"only GET is known here\n")
            else:
                await self.get(writer, urllib.parse.unquote(path.split("?")[0]))
        except (ValueError, asyncio.TimeoutError):
            await self.respond(writer, 400, b"what?\n")
        finally:
            writer.close()

    async def get(self, writer, path):
        if path == "/hits":
            rows = "".join(f"<li>{html.escape(p)}: {n}</li>" for p, n in self.hits.most_common())
            await self.respond(writer, 200, f"<ul>{rows}</ul>".encode(), "text/html")
            return
        full = os.path.realpath(os.path.join(self.root, path.lstrip("/")))
        if not full.startswith(self.root + os.sep) or not os.path.isfile(full):
            await self.respond(writer, 404, b"not found\n")
            return
        self.hits[path] += 1
        with open(full, "rb") as f:
            body = f.read()
        kind, _ = mimetypes.guess_type(full)
        await self.respond(writer, 200, body, kind or "application/octet-stream")

    async def respond(self, writer, status, body, kind="text/plain"):
        head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode("latin-1") + body)
        await writer.drain()

    async def run(self):
        server = await asyncio.start_server(self.handle, self.host, self.port)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(Server(os.getcwd()).run())
