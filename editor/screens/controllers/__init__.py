"""What a message from the screen does to the workspace, one noun a module; none needs a terminal.

All of them share the files that are open (`OpenFiles`) and the one place where edits are carried out (`Edits`), and
know nothing of one another. Each names what it needs of the screen as a protocol. They are called on the event loop's
thread.
"""
