"""Drawing: a graph as a picture, as a page that plays, and as a card in a notebook.

What is shown is selected (`selection`) and gets its boxes (`boxes`, `view`, `leaves`); what is too much for a screen
(`screen`) is folded (`scopes`, `parts`, `folding`), what is too coarse taken apart into single numbers (`zoom`). What
a box says (`labels`), how large its gradient is (`heat`) and what stands below (`caption`) is written as DOT (`dot`)
in the colours of `palette`, and laid out (`rendering`, `wasm_dot`). `player` makes the page, of drawings (`sheets`,
`inline`) and `steps`; `cards` and `position` are for notebooks, with `heatmap`s. `misuse` has errors told by who was
asked. Names and lines are `stepping`'s.
"""
