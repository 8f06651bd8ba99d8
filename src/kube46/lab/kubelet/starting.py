"""The containers of one pod, from what its object asks for to a process that runs."""

import asyncio
import os
import time

import msgspec

from kube46.kubernetes.errors import KubernetesError
from kube46.lab.kubelet import making, metrics, roots, signals
from kube46.lab.kubelet.attaching import Made
from kube46.lab.kubelet.cgrouprules import limits, pod_limits
from kube46.lab.kubelet.containers import Stdin
from kube46.lab.kubelet.directories import RunDirectory, write
from kube46.lab.kubelet.filling import Filler
from kube46.lab.kubelet.images import Image, ImageError
from kube46.lab.kubelet.layered import Layered, base_for, make_root
from kube46.lab.kubelet.manifests import Container, EphemeralContainer
from kube46.lab.kubelet.observed import Run
from kube46.lab.kubelet.podstate import WAITING, PodState
from kube46.lab.kubelet.security import ConfigError, identity
from kube46.lab.kubelet.tending import Tender

STORE_CHANGES = 0.02  # seconds between looks whether the store of images is at rest


class Starter:
    """Makes runs of containers; what goes on in a run is its `Tended`'s."""

    def __init__(self, state: PodState, filler: Filler, tender: Tender) -> None:
        self._state, self._filler, self._tender = state, filler, tender

    async def start(self, name: str, attempt: int, delay: float) -> None:
        """Start a container; what keeps it from starting becomes a problem of the pod's."""
        state = self._state
        container = state.pod.spec.container(name)
        assert container is not None
        try:
            image = state.shop.images.resolve(container.image, container.image_pull_policy)
            await self._spawn(container, image, attempt, delay)
            state.problems.pop(name, None)
        except ImageError as error:
            state.image_trouble(container, str(error), error.reason)
        except ConfigError as error:
            self._filler.expire()
            waits = error.reason == "FailedMount"  # as kubelet tells it: no container is there to fail
            reason = WAITING if waits else error.reason
            state.trouble(name, reason, str(error), error.reason if waits else "Failed", "" if waits else "Error: ")
        except KubernetesError as error:
            text = f"the objects it refers to can't be read: {error}"
            state.trouble(name, "CreateContainerConfigError", text, "FailedMount")
        except OSError as error:
            state.trouble(name, "CreateContainerError", str(error), "Failed", "Error: ")

    async def _spawn(self, container: Container, image: Image, attempt: int, delay: float) -> None:
        """Start the container. What a failed attempt left is removed. Raises ConfigError, KubernetesError, OSError."""
        state = self._state
        assert state.made is not None
        id = state.directory.run_id(container.name, attempt)
        place = state.directory.run(container.name, attempt)
        past = state.past.get(container.name)
        run = Run(
            container=container.name,
            attempt=attempt,
            id=id,
            created=time.time(),
            sandbox=state.made.sandbox.generation,
            delay=delay,
            previous=past.brief() if past else None,
            image=image.name if image.id else "",
            image_id=image.id,
            stop_signal=signals.number(image.stop_signal),
            given=container.resources,
        )
        try:
            await self._launch(state.made, run, container, image, place)
        except BaseException:
            if container.name not in state.tended:
                roots.clean(state.shop.root, id, place)
                place.record.unlink(missing_ok=True)
                state.shop.cgroups.remove(state.object.metadata.uid, id)
            raise

    async def _launch(self, made: Made, run: Run, container: Container, image: Image, place: RunDirectory) -> None:
        state, root = self._state, self._state.shop.root
        context = await self._filler.ready()
        place.path.mkdir(parents=True, exist_ok=True)
        layered = await self._layered(run, container, image, place) if image.layers else None
        who = layered.identity if layered else identity(state.pod.spec, container, state.shop.settings.default_uid)
        place.termination.touch()
        os.chown(place.termination, who.uid, -1)  # the container's to write
        groups = self._make_groups(run, container)
        bundle = await asyncio.to_thread(
            making.make,
            root=root,
            directory=state.directory,
            run=place,
            container=container,
            context=context,
            image=image,
            identity=who,
            namespaces=made.namespaces | self._processes_of(container),
            layered=layered,
            groups=state.shop.cgroups.view(state.object.metadata.uid, run.id, place.groups),
        )
        root_path = layered.path if layered else roots.make_root(root, run.id, place, bundle.missing)
        name = container.name
        always = " (there is no registry to ask for a newer one)" if container.image_pull_policy == "Always" else ""
        text = f'Container image "{container.image}" already present on machine{always}'
        state.tell("Pulled", text, container=name)
        tended = self._tender.tend(made, run, container, place)
        write(place.record, msgspec.json.encode(run))
        tended.process.spawn(root.crun, making.config(bundle, root_path), groups, _stdin(container))
        state.tended[container.name] = tended
        state.past.pop(container.name, None)
        metrics.STARTED_CONTAINERS.inc()
        state.tell("Created", f"Created container {name}", container=name)

    def _processes_of(self, container: Container) -> dict[str, str]:
        """The process namespace that a container joins: the pod's, or its target's. Raises ConfigError."""
        pause = self._state.pod.spec.pause
        target = container.target_container_name if isinstance(container, EphemeralContainer) else ""
        if pause and container is not pause:
            target = pause.name
        if not target:
            return {}
        found = self._state.running(target)
        if found is None:
            raise ConfigError(f"unable to find target container {target}")
        return {"pid": f"/proc/{found.process.pid}/ns/pid"}

    async def _layered(self, run: Run, container: Container, image: Image, place: RunDirectory) -> Layered:
        """The root of a loaded image's container. The record names the image before any of it is used, so that it is
        not removed. Raises ConfigError, ImageError, OSError."""
        state, store = self._state, self._state.shop.images.store
        assert store is not None
        path = state.shop.root.path
        # /proc of a PID namespace can be mounted only by who rules over its user namespace.
        apart = not self._processes_of(container)
        uid = state.object.metadata.uid
        base = await asyncio.to_thread(base_for, uid, container, path, store.path) if apart else None
        while True:
            with store.reading() as quiet:
                if quiet:
                    state.shop.images.resolve(container.image)  # it may have been removed just now
                    write(place.record, msgspec.json.encode(run))
                    break
            await asyncio.sleep(STORE_CHANGES)
        return await asyncio.to_thread(make_root, image, place, state.pod.spec, container, base)

    def _make_groups(self, run: Run, container: Container) -> tuple[str, ...]:
        """The control groups of a run; what to enter them by. Raises ConfigError, OSError."""
        shop, spec = self._state.shop, self._state.pod.spec
        try:
            whole = pod_limits((*spec.init_containers, *spec.containers), shop.settings.pod_max_pids)
            own = limits(container)
        except ValueError as error:
            raise ConfigError(f"container {container.name}: resources: {error}") from error
        return shop.cgroups.make(self._state.object.metadata.uid, whole, run.id, own)


def _stdin(container: Container) -> Stdin:
    if not container.stdin:
        return Stdin.NONE
    return Stdin.ONCE if container.stdin_once else Stdin.ENDLESS
