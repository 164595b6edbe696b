"""Debugging: the prompt, with pdb's habits, and the ways that lead to it.

`prompt` reads lines and lets no error out; `looking` and `debugger` have a method a command, which lets the other
rooms work and writes what they answer; `story` is a training of several passes, `tour` eight stops for learners.
`sessions` opens the prompt on a node, a function, a script or an error.
"""
