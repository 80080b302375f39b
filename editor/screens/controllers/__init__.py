"""What a message from the screen does to the workspace: one class per noun, none of them needs a terminal.

They share the open files (`OpenFiles`) and the queue of edits (`Edits`), and otherwise do not know one another. Each
declares as a protocol what it needs from the screen. All methods are called on the event loop's thread.
"""
