"""Requests a second against a local server that answers at once: our client and the plain openai client, in one run.

    python bench/endpoint_throughput.py --requests 20000 --flying 500 [--record results/reference/bench]

The server is a process of its own. Its own limit is measured with bare sockets that send the same bytes over and over.
Our client is measured with all that bridging does for a reply: hashes, ledger and telemetry on disk.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from vr1repro.coldset.bridge import bridge
from vr1repro.coldset.bridge_model import JobContext
from vr1repro.coldset.models import open_model
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.provenance import made
from vr1repro.core.records import Problem
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.endpoint.client import EndpointEngine

_REPLY = {
    "object": "chat.completion", "created": 0, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": "<think>So.</think><answer> Final Answer:7 </answer>"}}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32},
}  # fmt: skip


class Answering(asyncio.Protocol):
    """HTTP/1.1 with as little as it takes: reads a request, writes the reply."""

    served = 0

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request that has come."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            Answering.served += 1
            body = json.dumps({"id": f"r{Answering.served}", **_REPLY}, separators=(",", ":")).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.transport.write(head + body)


def serve(listening: socket.socket) -> None:
    """Serve for ever."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, sock=listening)
        await server.serve_forever()

    asyncio.run(run())


def texts(count: int) -> list[str]:
    """Requests of about the length of a question."""
    return [
        f"What is {n}+1? The figure shows a bar of that height. Choices: A: 1, B: 2, C: 3, D: 4." for n in range(count)
    ]


def bare(port: int, count: int, flying: int) -> float:
    """The server's own limit: the same bytes, pipelined by one request on each of many sockets."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": texts(1)[0]}]}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def one(share: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(share):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    async def run() -> None:
        await asyncio.gather(*(one(count // flying) for _ in range(flying)))

    began = time.perf_counter()
    asyncio.run(run())
    return (count // flying * flying) / (time.perf_counter() - began)


def plain(url: str, count: int, flying: int) -> float:
    """The openai client in a semaphore."""
    import openai

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="no-key", max_retries=0) as client:
            gate = asyncio.Semaphore(flying)

            async def one(text: str) -> None:
                async with gate:
                    reply = await client.chat.completions.create(
                        model="m", messages=[{"role": "user", "content": text}], temperature=0.6, max_tokens=16
                    )
                    assert reply.choices[0].message.content

            await asyncio.gather(*map(one, texts(count)))

    began = time.perf_counter()
    asyncio.run(run())
    return count / (time.perf_counter() - began)


def sampler(flying: int) -> EndpointSampler:
    """All in flight from the start, as the semaphore has it."""
    return EndpointSampler(
        kind="openai", model="m", concurrency=flying, start_concurrency=flying, latency_factor=None, retries=0
    )


def ours(url: str, count: int, flying: int) -> float:
    """Our client alone."""
    engine = EndpointEngine(url, sampler(flying))
    requests: Sequence[Request] = [Request(key=n, text=text, seed=n) for n, text in enumerate(texts(count))]
    began = time.perf_counter()
    done = sum(1 for _ in engine.generate(requests, Sampling(0.6, 0.95, 16)))
    assert done == count
    return count / (time.perf_counter() - began)


def bridged(url: str, count: int, flying: int) -> float:
    """Requests a second of bridging itself, three a problem, ledger and telemetry on disk."""
    engine = {
        "kind": "model", "model": url, "sampler": sampler(flying).model_dump(), "temperature": 0.6, "top_p": 0.95,
        "max_tokens": 16,
    }  # fmt: skip
    settings = ColdsetSettings.model_validate(
        {
            "sources": ["s"], "shards": 1, "mllm": engine, "reasoner": engine, "answer_in_reasoner_prompt": True,
            "max_chain_chars": 2000, "repetition_ngram": 8, "repetition_share": 0.5, "polish": True, "released": None,
        }
    )  # fmt: skip
    problems = [Problem(id=str(n), source="s", question=text, answer="7") for n, text in enumerate(texts(count // 3))]
    with tempfile.TemporaryDirectory() as folder, Progress(disable=True) as progress:
        context = JobContext(folders={}, threads=1)
        mllm, reasoner = open_model(settings.mllm, context), open_model(settings.reasoner, context)
        began = time.perf_counter()
        found = bridge(problems, settings, mllm, reasoner, 1, Path(folder), progress)
        return float(str(found["answered"])) / (time.perf_counter() - began)


def main() -> None:
    """Measure all of them, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--flying", type=int, default=500)
    parser.add_argument("--record", type=Path, help="Folder to write endpoint-throughput.json into.")
    asked = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
    server.start()
    listening.close()
    result: dict[str, Any] = {
        "command": f"python bench/endpoint_throughput.py --requests {asked.requests} --flying {asked.flying}",
        "server_limit_per_s": round(bare(port, asked.requests, asked.flying)),
        "openai_client_per_s": round(plain(url, min(asked.requests, 5000), asked.flying)),
        "our_client_per_s": round(ours(url, asked.requests, asked.flying)),
        "our_bridge_per_s": round(bridged(url, asked.requests, asked.flying)),
    }
    result["times_openai"] = round(result["our_client_per_s"] / result["openai_client_per_s"], 2)
    result |= {"cores": os.cpu_count(), "load_average_at_end": [round(x, 2) for x in os.getloadavg()]}
    server.terminate()
    print(json.dumps(result, indent=2))
    if asked.record:
        asked.record.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**result, "made": made()}, indent=2, sort_keys=True) + "\n"
        (asked.record / "endpoint-throughput.json").write_text(text)


if __name__ == "__main__":
    main()
