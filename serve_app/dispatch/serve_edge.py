"""Carries calls over a Ray Serve handle, by value or by reference, and names its failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException

from serve_app.dispatch.edge import CallLost, Deliver, MessageTooLarge, Way
from serve_app.dispatch.load import Load
from serve_app.messages import InferenceRequest

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle


class ServeEdge:
    """The `infer_many` and `infer_each` methods of a deployment.

    Args:
        handle: The deployment's handle.
        target: Which of the deployment's stages is meant; given along with every call.
        loads: What the pool behind it is asked; likewise.
    """

    def __init__(
        self, handle: DeploymentHandle[Any], target: str, loads: Callable[[], tuple[Load, ...]] = tuple
    ) -> None:
        self._target, self._loads = target, loads
        # pickle, not Serve's default cloudpickle: a call's values are plain data, and it costs half.
        pickled = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._by_value = pickled.options(method_name="infer_many")
        self._streamed = pickled.options(method_name="infer_each", stream=True)
        self._by_reference = handle.options(method_name="infer_many", _by_reference=True)
        self._handle = handle

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        """See `Edge`; if it is cancelled, so is the call at the other end."""
        handle = {Way.VALUE: self._by_value, Way.STREAM: self._streamed, Way.REFERENCE: self._by_reference}[way]
        response: Any = handle.remote(self._target, requests, self._loads())
        try:
            if way is Way.STREAM:
                async for results in response:
                    for index, result in results:
                        deliver(index, result)
            else:
                for index, result in enumerate(await response):
                    deliver(index, result)
        except asyncio.CancelledError:
            response.cancel()
            raise
        except RayTaskError:
            raise
        except (RayActorError, ObjectLostError, RayServeException) as error:
            raise CallLost(type(error).__name__) from error
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and way is not Way.REFERENCE:
                raise MessageTooLarge from error
            raise CallLost(error.code().name) from error

    def num_replicas(self) -> int:
        """See `Edge`."""
        return live_replicas(self._handle)


def live_replicas(handle: DeploymentHandle[Any]) -> int:
    """Replicas that a handle can reach now.

    Serve offers no public count; this is the set that the handle's own router chooses from.
    """
    router = handle._init_router()._asyncio_router.request_router  # type: ignore[attr-defined]
    return len(router.curr_replicas) if router is not None else 0
