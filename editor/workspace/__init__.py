"""The open draft: what is derived from it, its history, its file, and recovery. Screens use ``workspace``.

Threads: every method of ``Workspace`` and ``Composition`` may be called in any thread. A lock per workspace admits one
change at a time. Properties take no lock and never block: they read immutable values that are replaced as a whole. So
each value (``Workspace.resolved``, ``Workspace.document``) is consistent in itself, but two values read one after the
other may belong to different states. Subscribers are called in the thread that made the change, after the lock has been
released: they may call any method, and may wait for other threads that do.

Parts: ``draft`` is the document with its edits, ``workspace`` adds its file. ``state`` derives what is shown, ``disk``
compares the draft with its file, ``recovery`` and ``draft_files`` save unsaved edits from a crash, ``watching`` watches
the file, ``saving`` writes it, ``history`` is for undo and redo, ``notifying`` calls subscribers, ``composition`` joins
several workspaces, ``opening`` and ``samples`` determine what a draft starts with, ``levels`` are the steps of rights,
``garbage`` pauses the collector. Only ``draft``, ``workspace`` and ``composition`` connect the parts, which know
nothing of each other's state.
"""
