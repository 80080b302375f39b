"""The open draft: what is derived from it, its history, its file, and recovery. Screens use ``workspace``, a facade.

Threads. Every method of ``Workspace`` and ``Composition`` may be called in any thread: a lock per workspace lets one
change at a time proceed. Properties take no lock and never wait: what they read are immutable values, each replaced as
a whole, so one value (``Workspace.resolved``, ``Workspace.document``) is always consistent in itself, while two that
are read one after the other may belong to two states. Subscribers are called in the thread that made the change, after
the lock of that workspace was released: they may call any method, and may wait for other threads that do.

Parts: ``state`` derives what is shown, ``disk`` compares the draft to its file, ``recovery`` and ``draft_files`` keep
unsaved edits for the case of a crash, ``watching`` follows the file, ``saving`` writes it, ``history`` undoes,
``notifying`` calls the subscribers, ``composition`` joins several workspaces, ``opening`` and ``samples`` say what a
draft starts as, ``levels`` are the steps of rights, ``garbage`` pauses the collector. Only ``workspace`` and
``composition`` put parts together; the parts know nothing of each other's state.
"""
