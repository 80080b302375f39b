"""Tests on other real kernels: Debian's kernel packages, each booted in QEMU with this source tree inside.

``python -m tests.kernels`` (``make test-kernels``) runs them; `debian` gets the kernels, `initramfs` packs what the
guest needs, `machine` boots it, and `guest` is the program that runs inside.
"""
