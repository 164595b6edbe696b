"""Debugging: the prompt, with pdb's habits, and the ways that lead to it.

Commands (`debugger`) read a line, let the other rooms work, and write what they answer;
`expressions` evaluates what is typed, `sessions` opens the prompt on a node, a function, a
script or an error.
"""
