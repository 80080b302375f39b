"""Compose several files into one policy, and set variables from the command line, by landlockconfig's rules.

Only what every file handles stays handled; rules are combined and reduced to those rights; variables are combined; the
lowest abi applies. So a file can only add rules for what the others restrict too, and the order of files is irrelevant.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from editor.landlock.rights import GROUPS, NO_RIGHTS, Kind, RightSet, expand_element, in_order
from editor.policy.errors import PolicyError
from editor.policy.files import format_of, is_policy_name, read_text
from editor.policy.model import Location, PathRule, Policy, PortRule, RulesetTable, Variable
from editor.policy.parse import parse_collecting_errors
from editor.policy.suggestions import did_you_mean
from editor.policy.variables import MAX_PATHS, TemplateError, count_paths, name_problem, parse_template

# The "file" of variables set on the command line.
VAR_OPTION = "--var"

Variables = Mapping[str, tuple[str, ...]]


class VariableError(ValueError):
    """An invalid variable on the command line. The message is a sentence."""


def parse_variables(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Parse words like ``home=/home/me``; a name given twice gets both values. Raises VariableError."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise VariableError(f"'{word}' has no value: write name=value.")
        if problem := name_problem(name):
            raise VariableError(f"'{name}': {problem}.")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise VariableError(f"the value of '{name}' is not valid UTF-8, which a policy must be.") from error
        found[name] = (*found.get(name, ()), value)
    return found


def files_of(path: str) -> tuple[str, ...]:
    """Return ``path``, or for a directory its ``*.toml`` and ``*.json`` files, sorted, not those of subdirectories.

    Hidden and non-regular files and ``*.checks.toml`` are skipped. Raises PolicyError for a directory without policies.
    """
    if not os.path.isdir(path):
        return (path,)
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise PolicyError(f"cannot be read: {error.strerror}", file=path) from error
    found = (os.path.join(path, name) for name in names if is_policy_name(name))
    files = tuple(file for file in found if os.path.isfile(file))
    if not files:
        raise PolicyError("no policy in this directory: no *.toml and no *.json", file=path)
    return files


class FileText(NamedTuple):
    """A policy file as it was read: its text, or the error that kept it from being read."""

    file: str
    text: str
    error: PolicyError | None = None


def read_files(paths: Iterable[str]) -> tuple[FileText, ...]:
    """Read the policy files that the files and directories ``paths`` name; errors stay in their place."""
    found = []
    for path in paths:
        try:
            files = files_of(path)
        except PolicyError as error:
            found.append(FileText(path, "", error))
            continue
        for file in files:
            try:
                found.append(FileText(file, read_text(file)))
            except PolicyError as error:
                found.append(FileText(file, "", error))
    return tuple(found)


def load(paths: Sequence[str], variables: Variables | None = None) -> Policy:
    """Compose the files and directories ``paths`` into one policy.

    ``variables`` replace those that the files define. Raises the first PolicyError of the first file that has one.
    """
    policy, problems = combine(read_files(paths), paths, variables)
    if policy is None:
        raise problems[0]
    return policy


def combine(
    files: Sequence[FileText], paths: Sequence[str], variables: Variables | None = None
) -> tuple[Policy | None, tuple[PolicyError, ...]]:
    """Compose ``files``, read from ``paths``, into one policy; if that fails, return None and all errors."""
    policies = []
    problems: list[PolicyError] = []
    # A variable missing in a single file is reported at its position in the string.
    alone = len(files) == 1 and not variables
    for file, text, error in files:
        if error is not None:
            problems.append(error)
            continue
        try:
            policy, found = parse_collecting_errors(text, file, format_of(file, text), references=alone)
        except PolicyError as wrong:
            problems.append(wrong)
            continue
        problems += found
        policies.append(policy)
    if not problems:
        whole = with_variables(compose(policies, paths), variables or {})
        problems += variable_problems(whole)
        if not problems:
            return whole, ()
    return None, tuple(problems)


def with_variables(policy: Policy, variables: Variables) -> Policy:
    """Return ``policy`` with ``variables`` replacing its own of the same names."""
    if not variables:
        return policy
    kept = tuple(variable for variable in policy.variables if variable.name not in variables)
    return policy._replace(variables=(*kept, *given_variables(variables)))


def given_variables(variables: Variables) -> tuple[Variable, ...]:
    """Return the command line's ``variables`` as those of a policy."""
    place = Location(VAR_OPTION, 0, 0)
    return tuple(Variable(name, values, place) for name, values in sorted(variables.items()))


class CompositionContext(NamedTuple):
    """What a file is composed with: the policies of files before and after it, and variables of the command line.

    ``paths`` are the files and directories that all of it was read from, as given.
    """

    before: tuple[Policy, ...] = ()
    after: tuple[Policy, ...] = ()
    given: tuple[Variable, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def is_composed(self) -> bool:
        """Whether there are other files."""
        return bool(self.before or self.after)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that the file may use without defining them."""
        return (*(each for policy in (*self.before, *self.after) for each in policy.variables), *self.given)

    def compose(self, policy: Policy) -> Policy:
        """Compose all with ``policy``, the file's own. Raises PolicyError if a variable is undefined."""
        whole = compose((*self.before, policy, *self.after), self.paths)
        whole = with_variables(whole, {each.name: each.literals for each in self.given})
        for problem in variable_problems(whole):
            raise problem
        return whole


def compose(policies: Sequence[Policy], paths: Sequence[str] = ()) -> Policy:
    """Compose ``policies``, at least one, read from the files and directories ``paths``; locations stay as they are."""
    if len(policies) == 1:
        return policies[0]
    fs, net, scoped = (
        frozenset.intersection(*sets)
        for sets in zip(*((each.handled_fs, each.handled_net, each.scoped) for each in policies), strict=True)
    )
    known = [each.abi for each in policies if each.abi is not None]
    abi = min(known) if known else None
    variables: list[Variable] = []
    rulesets: list[RulesetTable] = []
    path_rules: list[PathRule] = []
    port_rules: list[PortRule] = []
    for policy in policies:
        variables += policy.variables
        for table in policy.rulesets:
            cut = table._replace(
                number=len(rulesets),
                handled_access_fs=_cut(table.handled_access_fs, "fs", fs, policy.abi, abi),
                handled_access_net=_cut(table.handled_access_net, "net", net, policy.abi, abi),
                scoped=_cut(table.scoped, "scope", scoped, policy.abi, abi),
                handled_fs=table.handled_fs & fs,
                handled_net=table.handled_net & net,
                scopes=table.scopes & scoped,
            )
            if cut.handled_fs or cut.handled_net or cut.scopes:
                rulesets.append(cut)
        marked = (rule._replace(grouped=_grouped(rule, policy.abi)) for rule in policy.path_rules)
        path_rules += _cut_rules(marked, "fs", fs, own_abi=policy.abi, abi=abi, first=len(path_rules))
        port_rules += _cut_rules(policy.port_rules, "net", net, own_abi=policy.abi, abi=abi, first=len(port_rules))
    return Policy(
        file=" + ".join(paths),
        abi=abi,
        variables=tuple(variables),
        rulesets=tuple(rulesets),
        path_rules=tuple(path_rules),
        port_rules=tuple(port_rules),
        handled_fs=fs,
        handled_net=net,
        scoped=scoped,
        files=tuple(paths),
    )


_Rule = TypeVar("_Rule", PathRule, PortRule)


def _cut_rules(
    rules: Iterable[_Rule], kind: Kind, handled: RightSet, *, own_abi: int | None, abi: int | None, first: int
) -> list[_Rule]:
    """Reduce ``rules`` to ``handled`` rights, drop those left empty, and number the rest from ``first``."""
    kept: list[_Rule] = []
    for rule in rules:
        if rights := rule.rights & handled:
            names = _cut(rule.allowed_access, kind, handled, own_abi, abi)
            kept.append(rule._replace(number=first + len(kept), allowed_access=names, rights=rights))
    return kept


def _grouped(rule: PathRule, abi: int | None) -> RightSet:
    """Return the rights that ``rule`` has by a group alone."""
    groups = [expand_element(name, "fs", abi) for name in rule.allowed_access if name in GROUPS]
    return rule.grouped | NO_RIGHTS.union(*groups) - {*rule.allowed_access}


def _cut(names: Iterable[str], kind: Kind, handled: RightSet, own_abi: int | None, abi: int | None) -> tuple[str, ...]:
    """Reduce ``names`` to ``handled`` rights at ``abi``; a group whose meaning would change is replaced by names."""
    written: dict[str, None] = {}
    for name in names:
        rights = expand_element(name, kind, own_abi)
        if rights <= handled and expand_element(name, kind, abi) == rights:
            written[name] = None
        else:
            written.update(dict.fromkeys(in_order(rights & handled)))
    return tuple(written)


def variable_problems(policy: Policy) -> list[PolicyError]:
    """Return the errors in the use of variables in ``policy``'s paths: undefined ones, or too many paths."""
    defined: dict[str, set[str]] = {}
    for variable in policy.variables:
        defined.setdefault(variable.name, set()).update(variable.literals)
    problems = []
    total = 0
    for rule in policy.path_rules:
        for parent in rule.parents:
            place = parent.location
            hint = ""
            try:
                total += count_paths(parse_template(parent.template), defined)
                if total <= MAX_PATHS:
                    continue
                message, key = f"the variables of this policy multiply to more than {MAX_PATHS} paths", ""
            except TemplateError as error:
                message, key = error.message, error.name
                if key and key not in defined:
                    hint = did_you_mean(key, defined) or f"define it in the file, or pass {VAR_OPTION} {key}=VALUE"
            problems.append(
                PolicyError(message, file=place.file, line=place.line, column=place.column, key=key, hint=hint)
            )
            if total > MAX_PATHS:
                return problems
    return problems
