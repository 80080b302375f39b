"""Write lists of rights in a policy file, and change them."""

from editor.editing.steps import Bits, ChangeList, Key, Section, Value
from editor.landlock.rights import Kind, RightSet, expand_element, in_order, mask_of


def written(rights: RightSet) -> tuple[Value, ...]:
    """Return ``rights`` as elements of a list: names, or numbers for rights without one."""
    return tuple(map(_value, in_order(rights)))


def _value(right: str) -> Value:
    mask = mask_of(right)
    return right if mask is None else Bits(mask)


def change_rights(
    section: Section,
    number: int,
    key: Key,
    names: tuple[str, ...],
    *,
    kind: Kind,
    abi: int | None,
    wanted: RightSet,
) -> ChangeList:
    """Return the change that makes a list of ``names`` mean ``wanted``.

    A group that is still fully wanted is kept; any other is replaced by names. New names are inserted in kernel order,
    before the first name that follows in it.
    """
    kept: dict[int, RightSet] = {}
    for at, name in enumerate(names):
        rights = expand_element(name, kind, abi)
        if rights <= wanted:
            kept[at] = rights
    order = in_order(wanted)
    rank = {name: position for position, name in enumerate(order)}
    insert = []
    for name in order:
        if not any(name in rights for rights in kept.values()):
            later = (at for at in kept if rank.get(names[at], -1) > rank[name])  # a group has no rank
            insert.append((next(later, len(names)), _value(name)))
    return ChangeList(section, number, key, frozenset(range(len(names))) - frozenset(kept), tuple(insert))
