"""Drawing: a graph as a picture, as a page that plays, and as a card in a notebook.

What is shown is selected (`view`), folded where it is too much (`folding`) or taken apart
into single numbers (`zoom`), written as DOT (`dot`) and laid out (`rendering`, `wasm_dot`);
`player` makes the page, `cards` the cards. Names and lines are `stepping`'s.
"""
