"""Policies on top of each other: what a program may do that was put under several, one after the other.

Each is a domain inside the one before it, and the kernel asks them all: allowed is what every layer allows. Of a denial
the kernel's audit names the youngest layer that denies (``get_denied_layer`` in security/landlock/audit.c); so does
this.
"""

import os
from collections.abc import Callable, Sequence

from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision, Entry
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import NO_RIGHTS, RightSet

MAX_LAYERS = 16  # LANDLOCK_MAX_NUM_LAYERS in security/landlock/limits.h


class LayersDecider:
    """Answers as ``Decider`` does, for several layers; ``policies`` from the oldest to the youngest, two or more.

    ``Decision.layer`` counts from 1, the oldest. Raises ValueError for more layers than the kernel takes.
    """

    def __init__(self, policies: Sequence[ResolvedPolicy], abi: int, *, root: str = "", errata: int = 0) -> None:
        if len(policies) > MAX_LAYERS:
            raise ValueError(f"Landlock takes at most {MAX_LAYERS} layers, not {len(policies)}")
        self._layers = tuple(Decider(policy, abi, root=root, errata=errata) for policy in policies)
        if any(layer.handled for layer in self._layers):
            for layer in self._layers:
                layer.apply_implicit_refer()
        self._names = tuple(printable(os.path.basename(policy.file)) for policy in policies)

    def forget(self, path: str | None = None) -> None:
        """As ``Decider.forget``."""
        for layer in self._layers:
            layer.forget(path)

    def file(self, path: str, rights: RightSet, *, follow: bool = True) -> Decision:
        """As ``Decider.file``."""
        return self._joined(lambda layer: layer.file(path, rights, follow=follow))

    def port(self, port: int | None, right: str) -> Decision:
        """As ``Decider.port``."""
        return self._joined(lambda layer: layer.port(port, right))

    def scope(self, name: str) -> Decision:
        """As ``Decider.scope``."""
        return self._joined(lambda layer: layer.scope(name))

    def refer(
        self,
        old_dir: str,
        new_dir: str,
        moved: Entry,
        replaced: Entry | None = None,
        *,
        removes: bool = True,
        flags: int = 0,
    ) -> Decision:
        """As ``Decider.refer``. A make or remove right that any layer lacks makes it EACCES (``is_eacces``)."""
        return self._joined(lambda layer: layer.refer(old_dir, new_dir, moved, replaced, removes=removes, flags=flags))

    def _joined(self, ask: Callable[[Decider], Decision]) -> Decision:
        answers = [ask(layer) for layer in self._layers]
        denying = [number for number, answer in enumerate(answers) if not answer.allowed]
        if not denying:
            return self._allowed(answers)
        youngest = denying[-1]
        decision = answers[youngest]
        reason = f"layer {youngest + 1} ({self._names[youngest]}): {decision.reason}"
        if len(denying) > 1:
            others = " and ".join(f"layer {number + 1} ({self._names[number]})" for number in denying[:-1])
            reason += f"; {others} would deny it as well"
        errno = "EACCES" if any(answers[number].errno == "EACCES" for number in denying) else decision.errno
        return decision._replace(reason=reason, errno=errno, layer=youngest + 1)

    def _allowed(self, answers: Sequence[Decision]) -> Decision:
        refs = tuple(dict.fromkeys(ref for answer in answers for ref in answer.decided_by))
        free: RightSet = frozenset.intersection(*(answer.uncontrolled for answer in answers))
        # Why a right is free is said only where it is free in every layer.
        reason = answers[-1].reason if all(answer.reason for answer in answers) else ""
        return answers[-1]._replace(decided_by=refs, missing=NO_RIGHTS, uncontrolled=free, reason=reason)


# Other views that are kept at the same time: each is a run's process in a mount namespace of its own.
_MAX_VIEWS = 32


class Deciders:
    """The policies of one run, from the oldest layer to the youngest, asked in every view that its processes have.

    ``errata`` is the mask of what is fixed in the kernel.
    """

    def __init__(self, policies: Sequence[ResolvedPolicy], abi: int, errata: int) -> None:
        self._policies = tuple(policies)
        self._abi = abi
        self._errata = errata
        self._views: dict[str, Decider | LayersDecider] = {}
        self.here = self._made("")
        self.handled_fs: RightSet = NO_RIGHTS.union(*(policy.handled_fs for policy in policies))
        self.handled_net: RightSet = NO_RIGHTS.union(*(policy.handled_net for policy in policies))
        self.scoped: RightSet = NO_RIGHTS.union(*(policy.scoped for policy in policies))

    def _made(self, root: str) -> Decider | LayersDecider:
        if len(self._policies) == 1:
            return Decider(self._policies[0], self._abi, root=root, errata=self._errata)
        return LayersDecider(self._policies, self._abi, root=root, errata=self._errata)

    def youngest(self, handles: Callable[[ResolvedPolicy], RightSet]) -> int:
        """The number of the youngest layer that ``handles`` anything, 0 where there is one policy only."""
        if len(self._policies) == 1:
            return 0
        return max((number for number, policy in enumerate(self._policies, 1) if handles(policy)), default=0)

    def for_object(self, path: str, seen: str) -> Decider | LayersDecider:
        """Who answers for the object ``path`` that is looked at as ``seen``: the same, or below another root.

        Raises OSError where that view is gone.
        """
        if seen == path or not seen.endswith(path):
            return self.here
        root = seen[: len(seen) - len(path)]
        view = self._views.get(root)
        if view is None:
            if len(self._views) >= _MAX_VIEWS:
                self._views.clear()
            view = self._views[root] = self._made(root)
        return view

    def forget(self, path: str | None = None) -> None:
        """As ``Decider.forget``, in every view."""
        self.here.forget(path)
        if path is None:
            self._views.clear()
        for view in self._views.values():
            view.forget(path)
