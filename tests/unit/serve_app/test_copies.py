"""How often a large tensor is copied on its way: once at most in each process on the way in, and on the way out.

    server's parts -> body        joined, the copy of the way in
    body -> request               a view
    request -> the stage's socket a view
    socket -> request             received into memory of its own, where it stays
    requests -> batch             stacked where there are several, the replica's copy
    batch -> answers              views
    answer -> socket -> answer    as the request
    answer -> client's socket     a view

By Serve's handles, a call of over `max_value_bytes` goes through shared memory: Ray copies it there, the other process
maps it; a smaller one goes within a message, a copy more on each side.
"""

from __future__ import annotations

import asyncio
import pickle
import tracemalloc
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
import orjson
import pytest

from models.tensor import Array, TensorSpec
from serve_app.batching.batcher import Batcher
from serve_app.batching.collate import Layout
from serve_app.batching.latency import LatencyModel
from serve_app.batching.window import BatchLimits
from serve_app.dispatch.direct.frames import Buffers, FrameProtocol, Kind, Piece, decode, encode
from serve_app.ingress.body import read_body
from serve_app.ingress.codec import decode_infer, encode_infer
from serve_app.ingress.dataplane import ServedModel
from serve_app.ingress.parameters import RequestedOutput, ResponsePlan
from serve_app.ingress.reply import Reply, send_reply
from serve_app.messages import InferenceRequest, InferenceResponse

NUM_BYTES = 8 * 2**20
PART_BYTES = 64 * 1024
ECHO = ServedModel(
    name="echo",
    version="1",
    versions=("1",),
    platform="headrace_echo",
    inputs={"x": TensorSpec("x", "FP32", (-1, -1))},
    outputs={"y": TensorSpec("y", "FP32", (-1, -1))},
    class_labels={},
    encoded_inputs=frozenset(),
    properties={},
)


def tensor() -> Array:
    return np.zeros((1, NUM_BYTES // 4), np.float32)


class Copies:
    """Counts how many tensors' worth of memory is taken at once inside, numpy's included."""

    num = -1

    def __enter__(self) -> Copies:
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.num = round(tracemalloc.get_traced_memory()[1] / NUM_BYTES)
        tracemalloc.stop()


def share(one: Array, other: Any) -> bool:
    return np.shares_memory(one.view(np.uint8), np.frombuffer(other, np.uint8))


def test_the_body_is_joined_once_and_the_request_is_a_view_of_it() -> None:
    entry = {
        "name": "x",
        "shape": [1, NUM_BYTES // 4],
        "datatype": "FP32",
        "parameters": {"binary_data_size": NUM_BYTES},
    }
    head = orjson.dumps({"inputs": [entry]})
    whole = head + tensor().tobytes()
    parts = [whole[start : start + PART_BYTES] for start in range(0, len(whole), PART_BYTES)]
    messages = iter(
        [{"type": "http.request", "body": part, "more_body": True} for part in parts] + [{"type": "http.request"}]
    )

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    async def scenario() -> None:
        with Copies() as copies:
            body = await read_body(receive, {}, 2 * NUM_BYTES)
        assert copies.num == 1
        with Copies() as copies:
            decoded = decode_infer(ECHO, body, b"%d" % len(head))
        assert copies.num == 0
        assert share(decoded.request.inputs["x"], body)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "value",
    [
        [InferenceRequest({"x": tensor()}, 1), InferenceRequest({"x": tensor()}, 1)],
        [InferenceResponse({"y": tensor()}), InferenceResponse({"y": tensor()})],
    ],
    ids=["requests", "results"],
)
def test_a_call_by_reference_is_pickled_beside_its_tensors(value: list[Any]) -> None:
    buffers: list[pickle.PickleBuffer] = []
    with Copies() as copies:
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        arrived = pickle.loads(pickled, buffers=buffers)
    assert copies.num == 0
    assert len(pickled) < 1000
    assert all(share(next(iter(one[0].values())), buffer) for one, buffer in zip(arrived, buffers, strict=True))


@pytest.mark.parametrize("value", [[InferenceRequest({"x": tensor()}, 1)], [(0, InferenceResponse({"y": tensor()}))]])
def test_a_call_over_a_socket_copies_nothing_and_is_received_where_it_stays(value: list[Any]) -> None:
    arrived: list[tuple[Any, Buffers]] = []

    class Receiver(FrameProtocol):
        def frame_received(self, kind: Kind, call: int, head: Piece, buffers: Buffers) -> None:
            arrived.append((decode(head, buffers), buffers))

    receiver = Receiver()
    with Copies() as copies:
        parts = encode(Kind.CALL, 1, value)
    assert copies.num == 0
    with Copies() as copies:
        for part in map(memoryview, parts):
            place = 0
            while place < len(part):
                room = receiver.get_buffer(-1)
                num = min(PART_BYTES, len(room), len(part) - place)
                room[:num] = part[place : place + num]
                receiver.buffer_updated(num)
                place += num
    assert copies.num == 1
    (((one,), (buffer,)),) = arrived
    response = one[1] if isinstance(one[1], InferenceResponse) else one
    assert share(next(iter(response[0].values())), buffer)


def infer(requests: list[InferenceRequest]) -> tuple[list[InferenceResponse], Mapping[str, Array], int]:
    """Answers of a batcher around a model that gives its input back, what that model saw, and the copies."""
    seen: list[Mapping[str, Array]] = []

    async def model(inputs: dict[str, Array]) -> dict[str, Array]:
        seen.append(inputs)
        return {"y": inputs["x"]}

    async def scenario() -> tuple[list[InferenceResponse], int]:
        batcher = Batcher(model, BatchLimits(4), Layout(), LatencyModel(), model="echo", version="1")
        with Copies() as copies:
            answers = list(await asyncio.gather(*map(batcher.submit, requests)))
        return answers, copies.num

    answers, num_copies = asyncio.run(scenario())
    (batch,) = seen
    return answers, batch, num_copies


def test_a_request_alone_is_run_as_it_came() -> None:
    x = tensor()
    (answer,), batch, num_copies = infer([InferenceRequest({"x": x}, 1)])
    assert num_copies == 0
    assert np.shares_memory(batch["x"], x)
    assert np.shares_memory(answer.outputs["y"], x)


def test_requests_of_a_batch_are_copied_once_and_their_answers_are_views() -> None:
    answers, batch, num_copies = infer([InferenceRequest({"x": tensor()}, 1) for _ in range(3)])
    assert num_copies == 3
    assert all(np.shares_memory(answer.outputs["y"], batch["x"]) for answer in answers)


def test_an_answer_is_handed_to_the_server_as_it_came() -> None:
    y = tensor()
    sent: list[Any] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async def scenario() -> None:
        plan = ResponsePlan(None, (RequestedOutput("y", binary=True),), binary=True)
        with Copies() as copies:
            chunks, _ = encode_infer(ECHO, plan, InferenceResponse({"y": y}))
            await send_reply(send, Reply(200, chunks, []), takes_views=True)
        assert copies.num == 0

    asyncio.run(scenario())
    assert share(y, sent[-1])
