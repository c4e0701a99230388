"""An OpenAI-compatible server that misbehaves in every way that is known of, in a process of its own.

The good reply is a function of the request. Which faults a request meets before it is a function of the request too;
storms of 429 come on top, by the clock. Every arrival is logged.
"""

import asyncio
import hashlib
import json
import logging
import re
import sys
import time
from pathlib import Path

from aiohttp import web

FAULTS = ("status_500", "hang", "cut", "cut_headers", "half_json", "no_choices", "wrong_model", "duplicate_id",
          "malformed", "no_json")  # fmt: skip


class Server:
    def __init__(self, log):
        self.log = Path(log).open("a", buffering=1)  # noqa: SIM115 - open as long as the process
        self.arrivals, self.used, self.faulty, self.served, self.goods = {}, None, True, 0, 0

    def plan(self, key):
        """The faults of a request: none for most, up to three."""
        digest = hashlib.sha256(key.encode()).digest()
        count = (0, 0, 0, 0, 0, 1, 1, 1, 2, 3)[digest[0] % 10] if self.faulty else 0
        # A hang costs the client its whole timeout, so it is rarer than the others.
        kinds = [FAULTS[byte % len(FAULTS)] for byte in digest[1 : 1 + count]]
        return [kind if kind != "hang" or digest[9] < 40 else "cut" for kind in kinds]

    def storm(self):
        return self.faulty and time.monotonic() % 3.0 < 0.25

    async def post(self, request):
        body = await request.json()
        text = body["messages"][-1]["content"][-1]["text"]
        key = json.dumps([body["seed"], text])
        if self.storm():
            self.note(body, "storm")
            return web.Response(status=429, headers={"Retry-After": "0.2"}, text="slow down")
        number = self.arrivals[key] = self.arrivals.get(key, -1) + 1
        plan = self.plan(key)
        fault = plan[number] if number < len(plan) else "good"
        if fault == "duplicate_id" and self.goods < 24:
            # Only an id that has surely reached the client is one that it can know for a duplicate.
            fault = "no_choices"
        self.note(body, fault)
        if fault == "status_500":
            return web.Response(status=500, text="oops")
        if fault == "hang":
            await asyncio.Event().wait()  # it never replies
        if fault == "cut_headers":
            request.transport.close()
            return web.Response()
        self.served += 1
        reply = {"id": f"r{self.served}", "object": "chat.completion", "created": 0, "model": "m",
                 "choices": [{"index": 0, "finish_reason": "stop", "message": message(text)}],
                 "usage": {"prompt_tokens": len(text) // 4, "completion_tokens": 9}}  # fmt: skip
        wrong = {"role": "assistant", "content": "<answer> Final Answer:poison </answer>"}
        if fault == "no_choices":
            reply["choices"] = []
        if fault == "malformed":
            reply["choices"] = [{"index": 0}]
        if fault == "wrong_model":
            reply |= {"model": "other", "choices": [{"index": 0, "finish_reason": "stop", "message": wrong}]}
        if fault == "duplicate_id":
            reply |= {"id": self.used, "choices": [{"index": 0, "finish_reason": "stop", "message": wrong}]}
        if fault == "good" and self.faulty:
            self.used, self.goods = self.used or reply["id"], self.goods + 1
        data = json.dumps(reply).encode()
        if fault == "no_json":
            data = b"<html>Bad gateway</html>"
        if fault == "half_json":
            data = data[: len(data) // 2]
        if fault == "cut":
            response = web.StreamResponse(headers={"Content-Length": str(len(data))})
            await response.prepare(request)
            await response.write(data[:20])
            request.transport.close()
            return response
        return web.Response(body=data, content_type="application/json")

    def note(self, body, what):
        text = body["messages"][-1]["content"][-1]["text"]
        self.log.write(json.dumps({"seed": body["seed"], "step": step(text), "what": what}) + "\n")

    async def mark(self, request):
        self.log.write(json.dumps({"mark": request.query["name"]}) + "\n")
        self.faulty = request.query.get("faults", "1") == "1"
        return web.Response()

    async def models(self, _):
        return web.json_response({"object": "list", "data": [{"id": "m"}]})


def step(text):
    if "write a Caption" in text:
        return "pseudo_cot"
    return "chain" if "think step by step" in text else "description"


def message(text):
    """What a model would say; every fifth chain is wrong, and its reasoning comes in a field of its own."""
    n = int(re.findall(r"What is (\d+)\+1\?", text)[-1])
    if step(text) != "chain":
        return {"role": "assistant", "content": f"Caption: a picture of {n}. Reasoning: add one."}
    answer = n + 1 + (n % 5 == 0)
    return {"role": "assistant", "content": f"<answer> Final Answer:{answer} </answer>",
            "reasoning_content": f"The description says {n}. Wait, adding one gives {answer}."}  # fmt: skip


def main():
    # A client that was killed has closed its end; that is what this server is for.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    server = Server(sys.argv[2])
    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/v1/chat/completions", server.post), web.get("/v1/models", server.models),
                    web.post("/mark", server.mark)])  # fmt: skip
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, handle_signals=True)


if __name__ == "__main__":
    main()
