"""The files of a pod's volumes: filled before a container starts, kept up to date while the pod lives."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import replace

from kube46.api.objects import ClusterTrustBundle
from kube46.kubernetes.errors import KubernetesError
from kube46.lab.kubelet import binding, trees, volumes
from kube46.lab.kubelet.certifying import Certifier
from kube46.lab.kubelet.directories import write
from kube46.lab.kubelet.environment import Context
from kube46.lab.kubelet.images import ImageError
from kube46.lab.kubelet.manifests import Container
from kube46.lab.kubelet.places import Place, place_of
from kube46.lab.kubelet.podstate import PodState
from kube46.lab.kubelet.security import ConfigError
from kube46.lab.kubelet.sources import Objects

FRESH = 5.0  # seconds for which fetched objects are good enough to start a container from


class Filler:
    """What one pod's files and environment are made of, and the files."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._objects = Objects({}, {}, {})
        self._bundles = dict[str, ClusterTrustBundle]()
        self.certifier = Certifier(state, self._certified)

    async def fetch_ahead(self) -> None:
        """Fetch what containers will need. A failure is found again, and told, when a container is started."""
        with suppress(KubernetesError, ConfigError):
            await self._fetch()

    async def ready(self) -> Context:
        """What a container's environment is made of now, its volumes filled. Raises ConfigError, KubernetesError,
        OSError."""
        if time.time() - self._objects.fetched > FRESH:
            await self._fetch()
        await self.certifier.settle()
        context = self._context()
        self._fill(context)
        await asyncio.to_thread(self._take_over, context)
        return context

    def expire(self) -> None:
        """Something was missing: fetch anew for the next attempt."""
        self._objects = replace(self._objects, fetched=0.0)

    async def keep_current(self) -> None:
        """Follows changes of ConfigMaps, Secrets and labels, and renews tokens; never returns."""
        state = self._state
        while True:
            await asyncio.sleep(state.shop.settings.sync_frequency * random.uniform(0.8, 1.2))  # noqa: S311 – spreads load, keeps no secret
            if state.made is None or not volumes.refreshes(state.pod.spec) or state.ending_since is not None:
                continue
            try:
                await self._fetch()
                self._fill(self._context())
            except (KubernetesError, ConfigError, OSError) as error:
                state.tell("FailedMount", str(error), "Warning")

    async def _fetch(self) -> None:
        shop, pod = self._state.shop, self._state.pod
        if volumes.trusts(pod.spec):
            self._bundles = await shop.signers.bundles()
        self._objects = await shop.sources.objects(pod, self._objects.tokens)

    def _certified(self) -> None:
        """A certificate came: what waits for it is tried now."""
        self._state.retry_mounts()

    def _context(self) -> Context:
        state = self._state
        assert state.made is not None
        return Context(
            pod=state.pod,
            pod_ips=state.made.sandbox.ips,
            host_ips=state.shop.settings.host_ips,
            config_maps=self._objects.config_maps,
            secrets=self._objects.secrets,
            services=state.shop.sources.services(state.pod.metadata.namespace),
            allocatable=state.shop.allocatable,
            places=self._places(),
            bundles=self._bundles,
            issued=self.certifier.issued,
            refused=self.certifier.refused,
        )

    def _places(self) -> dict[str, Place]:
        """Where the pod's volumes lie that are not filled by us. Raises ConfigError, OSError."""
        state, found = self._state, dict[str, Place]()
        grounds = state.shop.grounds(self._objects.labels)
        for volume in state.pod.spec.volumes:
            try:
                place = place_of(volume, state.pod.metadata, self._objects.claims, grounds)
            except ConfigError as error:
                raise volumes.failed(volume.name, error) from error
            if place:
                found[volume.name] = place
        return found

    def _take_over(self, context: Context) -> None:
        """Give volumes to the pod's fsGroup, once in its life. Raises ConfigError, OSError."""
        state, security = self._state, self._state.pod.spec.security_context
        if security.fs_group is None:
            return
        for name, place in context.places.items():
            mark = state.directory.owned(name)
            if place.owned and not place.read_only and not mark.exists():
                wrong_only = security.fs_group_change_policy == "OnRootMismatch"
                binding.take_over(place, security.fs_group, only_when_wrong=wrong_only)
                write(mark, "")

    def _fill(self, context: Context) -> None:
        """Make what volumes hold current. Raises ConfigError, OSError."""
        spec, directory = self._state.pod.spec, self._state.directory
        group = spec.security_context.fs_group
        default = self._state.shop.settings.default_uid
        user = volumes.single_user(self._user(c, default) for c in (*spec.init_containers, *spec.containers))
        tokens = {key: token.text for key, token in self._objects.tokens.items()}
        for volume in spec.volumes:
            if volume.empty_dir is not None:
                trees.empty_dir(directory.volume(volume.name), volume.empty_dir, group)
                continue
            try:
                files = volumes.payload(volume, context, tokens)
            except ConfigError as error:
                raise volumes.failed(volume.name, error) from error
            if files is not None:
                trees.update(directory.volume(volume.name), files, user=user, group=group)

    def _user(self, container: Container, default: int) -> int | None:
        """Who a container runs as, None when its image says."""
        spec = self._state.pod.spec
        asked = (container.security_context.run_as_user, spec.security_context.run_as_user)
        for uid in asked:
            if uid is not None:
                return uid
        with suppress(ImageError):
            return None if self._state.shop.images.loaded(container.image) else default
        return default
