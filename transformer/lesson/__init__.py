"""The article's lesson: a talk about dinner to learn from (`dinner`), and the page that teaches with it (`page`).

`python -m transformer lesson` writes the page; the scripts in `demos/` teach the same from Python.
"""
