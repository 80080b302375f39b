"""Decide accesses under several stacked policies.

Each policy is a domain nested in the one before, and an access must be allowed by every layer. For a denial the
kernel's audit names the youngest layer that denies (``get_denied_layer`` in security/landlock/audit.c); so does this.
"""

import os
from collections.abc import Callable, Sequence

from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision, Entry, Lineage
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import NO_RIGHTS, RightSet

MAX_LAYERS = 16  # LANDLOCK_MAX_NUM_LAYERS in security/landlock/limits.h


class LayersDecider:
    """Decides like ``Decider``, for two or more layers; ``policies`` are ordered from oldest to youngest.

    ``Decision.layer`` counts from 1, the oldest. Raises ValueError for more than MAX_LAYERS.
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
        """Like ``Decider.forget``."""
        for layer in self._layers:
            layer.forget(path)

    def file(self, path: str, rights: RightSet, *, follow: bool = True) -> Decision:
        """Like ``Decider.file``."""
        return self._joined(lambda layer: layer.file(path, rights, follow=follow))

    def reached(self, path: str, lineage: Lineage, rights: RightSet) -> Decision:
        """Like ``Decider.reached``."""
        return self._joined(lambda layer: layer.reached(path, lineage, rights))

    def port(self, port: int | None, right: str) -> Decision:
        """Like ``Decider.port``."""
        return self._joined(lambda layer: layer.port(port, right))

    def scope(self, name: str) -> Decision:
        """Like ``Decider.scope``."""
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
        reached: tuple[Lineage, Lineage] | None = None,
    ) -> Decision:
        """Like ``Decider.refer``. If any layer lacks a make or remove right, the error is EACCES (``is_eacces``)."""
        return self._joined(
            lambda layer: layer.refer(old_dir, new_dir, moved, replaced, removes=removes, flags=flags, reached=reached)
        )

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
        # Explain why a right is uncontrolled only if it is so in every layer.
        reason = answers[-1].reason if all(answer.reason for answer in answers) else ""
        return answers[-1]._replace(decided_by=refs, missing=NO_RIGHTS, uncontrolled=free, reason=reason)


# Views cached at a time; each is that of a process in its own mount namespace.
_MAX_VIEWS = 32


class Deciders:
    """The deciders of one run: one for each view of the filesystem that its processes have.

    ``policies`` are its layers, oldest first. ``errata`` is the mask of errata fixed in the kernel.
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
        """Return the number of the youngest layer for which ``handles`` is not empty; 0 if there is only one policy."""
        if len(self._policies) == 1:
            return 0
        return max((number for number, policy in enumerate(self._policies, 1) if handles(policy)), default=0)

    def for_object(self, path: str, seen: str) -> Decider | LayersDecider:
        """Return the decider for the object ``path``, which the tracer sees as ``seen``, possibly below another root.

        Raises OSError if that view no longer exists.
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
        """Like ``Decider.forget``, in every view."""
        self.here.forget(path)
        if path is None:
            self._views.clear()
        for view in self._views.values():
            view.forget(path)
