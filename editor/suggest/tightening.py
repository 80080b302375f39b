"""Tighten a policy to what was used of it: steps, each of which takes something away that nothing used."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from editor.editing.comments import comments_above
from editor.editing.document import PolicyDocument
from editor.editing.edits import (
    AddPathRule,
    Edit,
    EditTogether,
    RemoveEntry,
    SetRulePaths,
    SetRuleRights,
    SetScope,
    TidyingEdit,
)
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.mounts import is_beneath
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, RightSet, in_order, listed, rights_of, unnamed
from editor.policy.model import PathRule, PortRule, RuleRef, path_key
from editor.policy.variables import expand
from editor.suggest.exceptions import REFRESHED
from editor.suggest.folding import Need, fold
from editor.suggest.purposes import READ
from editor.suggest.trees import Trees
from editor.suggest.usage import Entry, Recorded, Usage, Use, usage

Section = Literal["path_beneath", "net_port"]
StepKind = Literal["rule", "path", "port", "right", "down", "scope"]

# More rules or paths than these in place of one are no relief: nobody would read them.
_MOST_RULES = 8
_MOST_PATHS = 32
_MOST_NAMES = 5


class Narrower(NamedTuple):
    """A rule in place of a wider one: ``rights`` on ``paths``, for ``purpose``."""

    paths: tuple[str, ...]
    rights: RightSet
    purpose: str


class Step(NamedTuple):
    """One way to tighten. ``sentence`` says what it takes away, and ``ref`` from where.

    From the rule ``rule`` of ``section`` it removes ``entries`` (both counted from 0), and ``rights`` from what is left
    of it; ``instead`` takes the place of the entries. For a scope, ``rights`` has its name, and ``section`` is None.
    """

    kind: StepKind
    section: Section | None
    rule: int
    entries: tuple[int, ...]
    rights: RightSet
    sentence: str
    ref: RuleRef
    instead: tuple[Narrower, ...] = ()

    @property
    def must_be_tried(self) -> bool:
        """Whether reports cannot tell if it breaks something: signals are traced only for a policy that scopes them."""
        return self.kind == "scope" and "signal" in self.rights


class Tightening(NamedTuple):
    """The steps by which a policy can be tightened, in its order, and the use that they were found by."""

    steps: tuple[Step, ...]
    usage: Usage


def tighten(document: PolicyDocument, resolved: ResolvedPolicy, recorded: Sequence[Recorded]) -> Tightening:
    """Return the steps that tighten ``document``, which ``resolved`` is on this machine, to what was ``recorded``."""
    policy = document.bound
    found = usage(policy, resolved, recorded)
    steps: list[Step] = []
    kept, kept_ports = _kept_together(document, "path_beneath"), _kept_together(document, "net_port")
    narrowing = _Narrowing(resolved)
    for rule in policy.path_rules:
        uses = [found.used.get(Entry("path_beneath", rule.number, at), Use()) for at in range(len(rule.parents))]
        own = list(_steps_of(rule, uses, found.unseen))
        if rule.number in kept:
            steps += _whole(own)
            continue
        steps += own
        gone = {at for step in own for at in step.entries}
        left = rule.rights.difference(*(step.rights for step in own if step.kind == "right"))
        for at in range(len(rule.parents)):
            if at not in gone and (step := narrowing.step(rule, at, uses[at], left, found.unseen)) is not None:
                steps.append(step)
    for port_rule in policy.port_rules:
        uses = [found.used.get(Entry("net_port", port_rule.number, at), Use()) for at in range(len(port_rule.ports))]
        own = list(_steps_of(port_rule, uses, found.unseen))
        steps += _whole(own) if port_rule.number in kept_ports else own
    free = rights_of("scope", policy.abi or 0) - policy.scoped - found.reached
    place = RuleRef(document.file, policy.rulesets[0].location.line if policy.rulesets else 0, "ruleset")
    for name in in_order(free):
        sentence = f"Restrict the scope {name}: nothing outside the sandbox was reached by it."
        steps.append(Step("scope", None, -1, (), frozenset({name}), sentence, place))
    return Tightening(tuple(steps), found)


def edits_of(document: PolicyDocument, steps: Sequence[Step]) -> tuple[Edit, ...]:
    """Return edits, to be applied one after the other, that take ``steps``, some of those found for ``document``."""
    policy = document.bound
    replaced: list[Edit] = []
    removed: list[TidyingEdit] = []
    added: dict[tuple[RightSet, str], list[str]] = {}
    by_rule: dict[tuple[Section, int], list[Step]] = {}
    for step in steps:
        if step.section is not None:
            by_rule.setdefault((step.section, step.rule), []).append(step)
    for (section, number), own in by_rule.items():
        rule: PathRule | PortRule = (policy.path_rules if section == "path_beneath" else policy.port_rules)[number]
        gone = sorted({at for step in own for at in step.entries})
        rights = rule.rights.difference(*(step.rights for step in own))
        instead = _merged([each for step in own for each in step.instead])
        if len(gone) == len(_entries(rule)):
            # The first of the new rules takes the place of the old one, with its comment.
            if instead:
                replaced.append(SetRulePaths(number, instead[0].paths))
            left = instead[0].rights if instead else NO_RIGHTS
            removed.append(SetRuleRights(section, number, left, with_comment=True))
            instead = instead[1:]
        else:
            removed += [RemoveEntry(section, number, at) for at in gone]
            if rights != rule.rights:
                removed.append(SetRuleRights(section, number, rights))
        for each in instead:
            added.setdefault((each.rights, each.purpose), []).extend(each.paths)
    return (
        *replaced,  # before rules are removed, which renumbers those behind them
        *([EditTogether(tuple(removed))] if removed else []),
        *(AddPathRule(tuple(paths), rights, purpose) for (rights, purpose), paths in added.items()),
        *(SetScope(name, True) for step in steps if step.section is None for name in in_order(step.rights)),
    )


def tightened(document: PolicyDocument, steps: Sequence[Step]) -> PolicyDocument:
    """Return ``document`` after ``steps``. Raises EditError if an edit is impossible."""
    for edit in edits_of(document, steps):
        document = document.apply(edit)
    return document


def _merged(rules: Sequence[Narrower]) -> list[Narrower]:
    """Return ``rules`` with those of the same rights and purpose as one."""
    merged: dict[tuple[RightSet, str], list[str]] = {}
    for rule in rules:
        merged.setdefault((rule.rights, rule.purpose), []).extend(rule.paths)
    return [Narrower(tuple(paths), rights, purpose) for (rights, purpose), paths in merged.items()]


def _kept_together(document: PolicyDocument, section: Section) -> frozenset[int]:
    """Return the numbers of the rules that are lists which Paddock keeps: parts of them would be back after a refresh.

    They are found by the comment above.
    """
    return frozenset(
        number
        for number, comment in comments_above(document, section).items()
        if any(line.startswith("promise: ") or line.endswith(REFRESHED) for line in comment.splitlines())
    )


def _whole(steps: Sequence[Step]) -> list[Step]:
    """Return those of ``steps`` that remove a whole rule."""
    return [step for step in steps if step.kind == "rule"]


def _entries(rule: PathRule | PortRule) -> tuple[object, ...]:
    return rule.parents if isinstance(rule, PathRule) else rule.ports


def _steps_of(rule: PathRule | PortRule, uses: Sequence[Use], unseen: RightSet) -> Iterator[Step]:
    """Yield the steps that take from ``rule`` what nothing used: all of it, or entries, and rights."""
    section: Section = "path_beneath" if isinstance(rule, PathRule) else "net_port"
    names = _names(rule)
    place = RuleRef(rule.location.file, rule.location.line, f"{section} {rule.number + 1}")
    idle = tuple(at for at, use in enumerate(uses) if not (use.rights or rule.rights & unseen))
    if not rule.rights:
        return
    if len(idle) == len(uses):
        yield Step("rule", section, rule.number, idle, NO_RIGHTS, f"Remove the rule: {_listed(names)} unused.", place)
        return
    for at in idle:
        kind: StepKind = "path" if isinstance(rule, PathRule) else "port"
        yield Step(kind, section, rule.number, (at,), NO_RIGHTS, f"Remove {names[at]}: unused.", place)
    used = NO_RIGHTS.union(*(use.rights for use in uses))
    if unused := rule.rights - used - unseen:
        left = [name for at, name in enumerate(names) if at not in idle]
        yield Step(
            "right",
            section,
            rule.number,
            (),
            unused,
            f"Drop {listed(unused)} on {_listed(left)}: unused.",
            place,
        )


def _names(rule: PathRule | PortRule) -> list[str]:
    if isinstance(rule, PathRule):
        return [printable(each.template) for each in rule.parents]
    return [f"port {each.port}" for each in rule.ports]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


class _Narrowing:
    """Finds narrower rules in place of one path."""

    def __init__(self, resolved: ResolvedPolicy) -> None:
        self.decider = Decider(resolved, LATEST_ABI, beyond=unnamed(resolved.handled_fs))
        self.by_key: Mapping[str, ResolvedPath] = {path_key(each.path): each for each in resolved.paths}
        self.trees = Trees()

    def step(self, rule: PathRule, at: int, use: Use, rights: RightSet, unseen: RightSet) -> Step | None:
        """Return the step down the tree, or to fewer rights, of the ``at``th path of ``rule``, which grants ``rights``.

        None if all of it was used, or if a variable gives the path, so that it means another one elsewhere.
        """
        parent = rule.parents[at]
        if "$" in parent.template.replace("$$", ""):
            return None
        (path,) = expand(parent.template, {})
        resolved = self.by_key.get(path_key(path))
        if resolved is None or resolved.target is None:
            return None
        shown = printable(path)
        place = RuleRef(parent.location.file, parent.location.line, f'path_beneath "{parent.template}"')
        if use.rights <= READ and rights <= READ and self.trees.around(resolved.target) is not None:
            return None  # a package is read as a whole: another of its files may be next
        narrower = self._down(resolved.target, path, use, unseen & rights)
        if narrower is not None:
            paths = _listed([printable(name) for each in narrower for name in each.paths])
            return Step(
                "down", "path_beneath", rule.number, (at,), NO_RIGHTS,
                f"Grant {paths} instead of all of {shown}: the rest is unused.", place, narrower,
            )  # fmt: skip
        kept = use.rights | (unseen & rights)
        if kept != rights:
            return Step(
                "right", "path_beneath", rule.number, (at,), NO_RIGHTS,
                f"Drop {listed(rights - kept)} on {shown}: unused there.", place,
                (Narrower((path,), kept, f"Used of {shown}"),),
            )  # fmt: skip
        return None

    def _down(self, target: str, path: str, use: Use, unseen: RightSet) -> tuple[Narrower, ...] | None:
        """Return rules beneath ``target`` that allow what it was used for; None if there are none, or too many."""
        if use.fixed or unseen or not all(is_beneath(each, target) for each in use.places):
            return None
        here = use.places.get(target, NO_RIGHTS)
        needs = [
            Need(each, rights - here, temporary=each in use.passing)
            for each, rights in use.places.items()
            if rights - here
        ]
        if here == use.rights or not needs:
            return None
        for level in ("balanced", "broad"):
            groups = fold(needs, level)
            if len(groups) <= _MOST_RULES and sum(len(each.paths) for each in groups) <= _MOST_PATHS:
                break
        else:
            return None
        purpose = f"Used of {printable(path)}"
        found = [Narrower((path,), here, purpose)] if here else []
        for group in groups:
            for each in group.paths:
                # A group may not reach beyond the rule, nor through a link that leads elsewhere.
                beneath = each != target and is_beneath(each, target) and os.path.realpath(each) == each
                if not beneath or not group.rights <= self.decider.rights_on(each):
                    return None
            found.append(
                Narrower(group.paths, group.rights, f"{group.purpose[:1].upper()}{group.purpose[1:]}" or purpose)
            )
        return tuple(found)
