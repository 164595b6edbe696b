"""Debugging: the prompt, with pdb's habits, and the ways that lead to it.

`prompt` reads lines and lets no error out, `debugger` has a method a command, which lets the other rooms work and
writes what they answer, and `sessions` opens the prompt on a node, a function, a script or an error.
"""
