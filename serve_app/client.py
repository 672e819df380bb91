"""Call the platform from Python, on a machine of its Ray cluster, without HTTP.

Example:
    with HeadraceClient() as client:
        client.infer("minilm", ["a lock gate", "a weir"]).outputs["embedding"]
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
from collections.abc import Sequence
from typing import Any, Self

import grpc  # type: ignore[import-untyped]
import ray
from ray import serve
from ray.exceptions import AuthenticationError, GetTimeoutError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from models.errors import DeadlineExceeded, HeadraceError, InferenceFailed, Overloaded, ReplicaLost
from serve_app.client_call import Call, InferenceResult, KnownModels, ModelInfo, any_ready

APPLICATION = "headrace"
NAMESPACE = "serve"

# The platform's own answer to a spent budget comes first; this is for a platform that does not answer.
GRACE_S = 1.0
MODELS_TIMEOUT_S = 30.0


class PlatformUnreachable(HeadraceError):
    """There is no Ray cluster here, or it does not serve the platform."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} start the platform with `headrace serve`"


class _Connection:
    """This process's place in the Ray cluster, and the router's handle."""

    def __init__(self, address: str | None, application: str) -> None:
        self._joined = not ray.is_initialized()
        if self._joined:
            _join(address)
        try:
            handle: DeploymentHandle[Any] = serve.get_app_handle(application)
        except RayServeException as error:
            address = ray.get_runtime_context().gcs_address
            self.close()
            raise PlatformUnreachable(
                f"the Ray cluster at {address} serves no application '{application}'; "
                "name another with `address` or RAY_ADDRESS, or"
            ) from error
        # With the fast form's environment a handle wants to live in the caller's event loop, which a script has not.
        # Serve gives every caller of this process the same handle, so a second client finds it initialised.
        if not handle.is_initialized:
            handle._init(_run_router_in_separate_loop=True)  # type: ignore[no-untyped-call]
        # By value: every replica answers over gRPC, whatever form the platform runs in.
        self.models = handle.options(method_name="models", _by_reference=False)
        self.infer = [handle.options(method_name="infer", _by_reference=choice) for choice in (False, True)]

    def close(self) -> None:
        if self._joined:
            self._joined = False
            ray.shutdown()


class HeadraceClient:
    """Calls the platform and waits; inside an event loop use `AsyncHeadraceClient`.

    Args:
        address: Ray cluster, where this process has joined none: None is RAY_ADDRESS, else the one on this machine.
        application: Name of the Serve application.

    Raises:
        PlatformUnreachable: There is no such cluster, or it does not serve the platform.
    """

    def __init__(self, address: str | None = None, application: str = APPLICATION) -> None:
        self._connection = _Connection(address, application)
        self._known = KnownModels()

    def infer(
        self,
        model: str,
        inputs: object,
        *,
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
        priority: int = 0,
    ) -> InferenceResult:
        """Ask a model.

        Args:
            inputs: Input name to value, or the bare value where the model has one input: arrays, lists, numbers; text,
                bytes, or the path of an image. A single text, image or row is a batch of one.
            version: A version or a label; None: the default.
            outputs: Which outputs to give; None: all.
            timeout_s: Budget of the request, seconds. None: the platform's default.
            priority: 1 is the most urgent, larger is later; 0 is the default (last).

        Raises:
            HeadraceError: As over the wire; `models/errors.py` has the tree.
        """
        if model not in self._known:
            self.models()
        call = self._known.call(model, inputs, version, outputs, timeout_s, priority)
        try:
            return self._send(call, call.by_reference)
        except HeadraceError as error:
            self._known.forget(error)
            raise

    def models(self) -> list[ModelInfo]:
        """Every served model version, with its state."""
        _refuse_event_loop()
        try:
            rows = self._connection.models.remote().result(timeout_s=MODELS_TIMEOUT_S)
        except Exception as error:  # the border to Ray: each of its errors becomes one of the platform's
            raise translate(error, "any", MODELS_TIMEOUT_S) from error
        return self._known.learn(rows)

    def is_ready(self, model: str, version: str | None = None) -> bool:
        """Whether a version of the model (None: any) can answer now; raises UnknownModel."""
        return any_ready(self.models(), model, version)

    def close(self) -> None:
        """Leave the Ray cluster, if this client joined it."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, call: Call, by_reference: bool) -> InferenceResult:
        _refuse_event_loop()
        response = self._connection.infer[by_reference].remote(*call.arguments)
        try:
            return call.result(response.result(timeout_s=_limit_s(call)))
        except Exception as error:  # the border to Ray, as above
            if _is_too_large(error) and not by_reference:
                return self._send(call, by_reference=True)
            if _is_timeout(error):
                response.cancel()  # type: ignore[no-untyped-call]
            raise translate(error, call.model, call.timeout_s) from error


class AsyncHeadraceClient:
    """Calls the platform from inside an event loop; joining the cluster blocks it for a second or two.

    Args and errors are those of `HeadraceClient`.
    """

    def __init__(self, address: str | None = None, application: str = APPLICATION) -> None:
        self._connection = _Connection(address, application)
        self._known = KnownModels()

    async def infer(
        self,
        model: str,
        inputs: object,
        *,
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
        priority: int = 0,
    ) -> InferenceResult:
        """Ask a model; see `HeadraceClient.infer`. Cancelling the call cancels the request."""
        if model not in self._known:
            await self.models()
        call = self._known.call(model, inputs, version, outputs, timeout_s, priority)
        try:
            return await self._send(call, call.by_reference)
        except HeadraceError as error:
            self._known.forget(error)
            raise

    async def models(self) -> list[ModelInfo]:
        """Every served model version, with its state."""
        try:
            rows = await asyncio.wait_for(_answer(self._connection.models.remote()), MODELS_TIMEOUT_S)
        except Exception as error:  # the border to Ray: each of its errors becomes one of the platform's
            raise translate(error, "any", MODELS_TIMEOUT_S) from error
        return self._known.learn(rows)

    async def is_ready(self, model: str, version: str | None = None) -> bool:
        """Whether a version of the model (None: any) can answer now; raises UnknownModel."""
        return any_ready(await self.models(), model, version)

    def close(self) -> None:
        """Leave the Ray cluster, if this client joined it."""
        self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _send(self, call: Call, by_reference: bool) -> InferenceResult:
        response = self._connection.infer[by_reference].remote(*call.arguments)
        try:
            return call.result(await asyncio.wait_for(_answer(response), _limit_s(call)))
        except Exception as error:  # the border to Ray, as above
            if _is_too_large(error) and not by_reference:
                return await self._send(call, by_reference=True)
            raise translate(error, call.model, call.timeout_s) from error


async def _answer(response: Any) -> Any:
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise


def translate(error: Exception, model: str, timeout_s: float | None) -> Exception:
    """The platform's own error for one that came through Ray.

    Args:
        error: What the handle raised.
        model: The model that was asked.
        timeout_s: The request's budget.

    Returns:
        An error of the platform's tree; what is neither of it nor of Ray (a bug) comes back as it is.
    """
    if isinstance(error, RayTaskError):
        cause = error.cause
        if isinstance(cause, Exception) and cause is not error and not isinstance(cause, RayTaskError):
            found = translate(cause, model, timeout_s)
            if isinstance(found, HeadraceError):
                return found
        return InferenceFailed(model, "unknown", f"{type(cause).__name__}: {cause}")
    if isinstance(error, HeadraceError):
        return error
    if _is_timeout(error):
        return DeadlineExceeded(model, "client", timeout_s or 0.0, None)
    if isinstance(error, BackPressureError):
        return Overloaded(model, "Serve's queue is full", 1.0)
    if isinstance(error, RayError | RayServeException | grpc.RpcError):
        return ReplicaLost(model, type(error).__name__)
    return error


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("HeadraceClient would block this event loop; use AsyncHeadraceClient here")


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, TimeoutError | GetTimeoutError | concurrent.futures.TimeoutError)


def _is_too_large(error: Exception) -> bool:
    """Whether a message was over Serve's limit; the router's or the client's side may have found it."""
    return isinstance(error, grpc.aio.AioRpcError) and error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def _limit_s(call: Call) -> float | None:
    return None if call.timeout_s is None else call.timeout_s + GRACE_S


def _join(address: str | None) -> None:
    try:
        ray.init(address=address or "auto", namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, AuthenticationError) as error:
        if address is None and "RAY_ADDRESS" not in os.environ:
            raise PlatformUnreachable("there is no Ray cluster on this machine:") from error
        raise PlatformUnreachable(
            f"no answer from the Ray cluster at {address or os.environ['RAY_ADDRESS']}; if it wants a token, set "
            "RAY_AUTH_MODE=token; if it is gone,"
        ) from error
    # Serve tells of each handle at INFO; that is no news to whoever calls a library.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
