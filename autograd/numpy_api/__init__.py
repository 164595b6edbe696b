"""What `np.*` means on nodes: the doors by which NumPy comes in, and its functions as rows and compositions of rows.

It knows the table and not what holds it: `nodes` opens these doors.
"""
