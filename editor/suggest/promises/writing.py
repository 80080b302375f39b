"""Write a promise into a policy as plain rules under a comment, and bring such rules up to date."""

import os
import shlex
from typing import NamedTuple

from editor.editing.comments import comments_above
from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, AddPortRule, Edit, SetRulePaths, SetRuleRights
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import PathRule, PortRule, path_key
from editor.policy.variables import quote
from editor.suggest.promises.promise import Promise, PromiseRule

_MARK = "promise: "


class Marked(NamedTuple):
    """The rules of a document under the comment of one promise."""

    paths: tuple[PathRule, ...] = ()
    ports: tuple[PortRule, ...] = ()


def comment_of(promise: Promise) -> str:
    """Return the comment that marks the rules of ``promise``: ``promise: dns``, ``promise: exec python3``."""
    return _MARK + shlex.join((promise.name, *promise.programs))


def marks_of(document: PolicyDocument) -> tuple[tuple[str, ...], ...]:
    """Return the promises of which ``document`` has rules: the name of each, and the programs after it."""
    comments = (*comments_above(document, "path_beneath").values(), *comments_above(document, "net_port").values())
    lines = dict.fromkeys(line for comment in comments for line in comment.splitlines() if line.startswith(_MARK))
    found = []
    for line in lines:
        try:
            words = shlex.split(line.removeprefix(_MARK))
        except ValueError:  # a quotation without an end
            continue
        if words:
            found.append(tuple(words))
    return tuple(found)


def marked(document: PolicyDocument, promise: Promise) -> Marked:
    """Return the rules of ``document`` under the comment of ``promise``. JSON has no comments."""
    comment = comment_of(promise)
    paths, ports = (
        {number for number, text in comments_above(document, section).items() if comment in text.splitlines()}
        for section in ("path_beneath", "net_port")
    )
    return Marked(
        tuple(rule for rule in document.policy.path_rules if rule.number in paths),
        tuple(rule for rule in document.policy.port_rules if rule.number in ports),
    )


def new_rules(promise: Promise, handled: RightSet) -> tuple[AddPathRule | AddPortRule, ...]:
    """Return the edits that add ``promise`` to a policy without it that handles only the rights ``handled``."""
    comment = comment_of(promise)
    return tuple(_added(rule, comment) for rule in promise.handled(handled).rules)


def edits_of(promise: Promise, document: PolicyDocument) -> tuple[Edit, ...]:
    """Return the edits, to apply in this order, after which ``document`` holds ``promise``; none if it does already.

    Both are about the running system.

    Rules under the promise's comment are brought up to date; where there are none, rules are added. Rights that the
    policy does not handle are left out: they are not restricted, and a rule would change that. So are paths and ports
    for which other rules grant everything already: a rule of the promise would have no effect there.
    """
    own = marked(document, promise)
    wanted = _not_granted(promise.handled(document.bound.handled_fs | document.bound.handled_net), document, own)
    edits: list[Edit] = []
    removed: list[SetRuleRights] = []
    rules = {(bool(rule.paths), rule.rights): rule for rule in wanted.rules}
    for path_rule in own.paths:
        rule = rules.pop((True, path_rule.rights), None)
        if rule is None:
            removed.append(SetRuleRights("path_beneath", path_rule.number, NO_RIGHTS, with_comment=True))
        elif {quote(path_key(path)) for path in rule.paths} != {parent.template for parent in path_rule.parents}:
            edits.append(SetRulePaths(path_rule.number, rule.paths))
    for port_rule in own.ports:
        rule = rules.get((False, port_rule.rights))
        if rule is not None and set(rule.ports) == {entry.port for entry in port_rule.ports}:
            del rules[False, port_rule.rights]
        else:
            removed.append(SetRuleRights("net_port", port_rule.number, NO_RIGHTS, with_comment=True))
    edits += [_added(rule, comment_of(promise)) for rule in rules.values()]
    # From the last to the first, since each removal changes the numbers of the rules after it.
    return (*edits, *sorted(removed, key=lambda edit: -edit.number))


def _added(rule: PromiseRule, comment: str) -> AddPathRule | AddPortRule:
    if rule.paths:
        return AddPathRule(rule.paths, rule.rights, comment)
    return AddPortRule(rule.ports, rule.rights, comment)


def _not_granted(promise: Promise, document: PolicyDocument, own: Marked) -> Promise:
    """Return what is left of ``promise`` if the rules of ``document`` that are not its ``own`` hold."""
    policy = document.bound
    others = resolve(
        policy._replace(
            path_rules=tuple(rule for rule in policy.path_rules if rule not in own.paths),
            port_rules=tuple(rule for rule in policy.port_rules if rule not in own.ports),
        )
    )
    return without_granted(promise, others)


def without_granted(promise: Promise, policy: ResolvedPolicy) -> Promise:
    """Return ``promise`` without the paths and ports for which ``policy`` grants all its rights."""
    paths: dict[str, RightSet] = {}
    for path in policy.paths:
        if path.target is not None:
            paths[path.target] = paths.get(path.target, NO_RIGHTS) | path.rights
    ports = {each.port: each.rights for each in policy.ports}
    return promise._replace(
        places=tuple(place for place in promise.places if not place.rights <= _granted_at(place.target, paths)),
        ports=tuple(port for port in promise.ports if not port.rights <= ports.get(port.port, NO_RIGHTS)),
    )


def _granted_at(target: str, granted: dict[str, RightSet]) -> RightSet:
    rights = granted.get(target, NO_RIGHTS)
    while target != "/":
        target = os.path.dirname(target)
        rights |= granted.get(target, NO_RIGHTS)
    return rights
