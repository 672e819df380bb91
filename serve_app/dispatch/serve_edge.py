"""What Ray Serve knows of the next stage, and calls over its handle, by value or by reference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import ray
from ray import serve
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException

from serve_app.dispatch.direct.edge import DirectEdge
from serve_app.dispatch.direct.listener import Address, Listener
from serve_app.dispatch.edge import CallLost, Deliver, Edge, MessageTooLarge, Way
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
        handle = {Way.VALUE: self._by_value, Way.STREAM: self._streamed, Way.LARGE: self._by_reference}[way]
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
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and way is not Way.LARGE:
                raise MessageTooLarge from error
            raise CallLost(error.code().name) from error

    def num_replicas(self) -> int:
        """See `Edge`."""
        return live_replicas(self._handle)


class ServeReplicas:
    """See `direct.edge.Replicas`.

    Args:
        handle: The deployment's handle.
    """

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._seen: Any = None
        self._ids: frozenset[str] = frozenset()

    def ids(self) -> frozenset[str]:
        """See `direct.edge.Replicas`."""
        replicas = _replicas(self._handle)
        # Serve makes a new mapping when the controller says so, and takes one out of it when it sees it dead.
        if replicas is not self._seen or len(replicas) != len(self._ids):
            self._seen, self._ids = replicas, frozenset(replica.unique_id for replica in replicas)
        return self._ids

    async def addresses(self) -> Sequence[Address]:
        """See `direct.edge.Replicas`."""
        node = ray.get_runtime_context().get_node_id()
        answers: list[Address] = await self._handle.broadcast("address", node).results_async()
        return answers


async def address_of(listener: Listener, asking_node: str) -> Address:
    """Where this replica listens for processes of a Ray node."""
    is_here = asking_node == ray.get_runtime_context().get_node_id()
    replica = serve.get_replica_context().replica_id.unique_id
    return await listener.address(replica, ray.util.get_node_ip_address(), is_here)  # type: ignore[no-untyped-call]


def edge_to(handle: DeploymentHandle[Any], target: str, loads: Callable[[], tuple[Load, ...]], is_direct: bool) -> Edge:
    """The edge to a deployment; see `ServeEdge` and `DirectEdge` for the arguments."""
    by_serve = ServeEdge(handle, target, loads)
    return DirectEdge(ServeReplicas(handle), by_serve, target, loads) if is_direct else by_serve


def live_replicas(handle: DeploymentHandle[Any]) -> int:
    """Replicas that a handle can reach now."""
    return len(_replicas(handle))


def _replicas(handle: DeploymentHandle[Any]) -> dict[Any, Any]:
    """Id to replica; Serve offers no public count: this is the set that the handle's own router chooses from."""
    router = handle._init_router()._asyncio_router.request_router  # type: ignore[attr-defined]
    return router.curr_replicas if router is not None else {}
