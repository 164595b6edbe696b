"""Exercises in backpropagation: `python -m autograd exercise N`.

`files` holds what is handed out, a file to complete each; `sheet` hands it out, loads what was written and runs the
check of `tasks`, which says what is wrong by gradcheck's table and by what the stepper sees.
"""
