"""Drawing: a graph as a picture, as a page that plays, and as a card in a notebook.

What is shown is selected (`selection`), gets its boxes (`view`), is folded where it is too much (`folding`)
or taken apart into single numbers (`zoom`). What a box says (`labels`) and how large its gradient is (`heat`)
is written as DOT (`dot`) in the colours of `palette`, and laid out (`rendering`, `wasm_dot`). `player` makes
the page, `cards` the cards, `misuse` has errors told by who was asked. Names and lines are `stepping`'s.
"""
