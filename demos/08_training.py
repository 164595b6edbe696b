# %% [markdown]
# # 8. Over training: from noise to structure
#
# A thousand times the five steps on the evenings of Frank, Emma, Daniel and Alex: what happens to the loss, to
# the gradients, to what W_Q, W_K and W_V look for, to the embeddings, and to what the model says?

# %%
import numpy as np

from transformer.lesson.dinner import EVENING, NAMES, WORDS, P, encode, forward, plane, probabilities, story, training

moments = {moment.step: moment for moment in training()}

# %% [markdown]
# ## Loss and gradient
#
# At first the loss is high, log 16 = 2.77 for pure chance, and the gradients are large. It falls fast, then
# slowly, in stairs: each stair is something understood. Then it stays near 0.481, for the rest is chance (lesson 5);
# a little below, where it begins to remember single evenings.

# %%
for step in (0, 10, 20, 50, 100, 200, 300, 500, 700, 1000):
    near = [moments[s] for s in range(max(0, step - 10), min(1000, step + 10) + 1)]  # a mean, for batches differ
    value = np.mean([m.loss for m in near])
    norm = np.mean([np.sqrt(sum((g * g).sum() for g in m.grads.values())) for m in near])
    print(f"step {step:>4}: loss {value:.3f} {'#' * round(20 * value):<56} |gradient| {norm:.3f}")

# %% [markdown]
# ## What it says

# %%
for step in (0, 100, 1000):
    rng = np.random.default_rng(1)
    for _ in range(2):
        print(f"step {step:>4}: {story(moments[step].params, rng)}")

# %% [markdown]
# ## Where it looks
#
# In "... who decides emma" the next word is what Emma said, four words after the start. The second emma's row of
# the attention weights, in the second layer: at step 0 it looks everywhere alike. At 1,000 it looks at the right
# word, and nothing told it to but the gradient.

# %%
tokens = encode(f". {EVENING}")
at = 11
print(f"{'':>14}" + " ".join(f"{WORDS[t][:6]:>6}" for t in tokens[: at + 1]))
for step in (0, 100, 1000):
    A = forward(moments[step].params, tokens)["h1.A"]  # (heads, T, T)
    for head in range(len(A)):
        print(f"step {step:>4} head {head}" + " ".join(f"{a:6.2f}" for a in A[head, at, : at + 1]))

# %%
for step in (0, 100, 1000):
    p = probabilities(moments[step].params, tokens)
    print(f"step {step:>4}: P(cheap) after the second emma {p[at, WORDS.index('cheap')]:.2f}")

# %% [markdown]
# ## Where the words are
#
# W_embed has 16 numbers a word; this is its map in the two directions in which the words spread most. At first
# they lie anywhere. At the end the names stand together, apart from the words.

# %%
rows, columns = 15, 60
for step in (0, 100, 1000):
    places = plane(moments[step].params["wte"])
    cells = (places - places.min(axis=0)) / np.ptp(places, axis=0) * (columns - 8, rows - 1)
    canvas = [[" "] * columns for _ in range(rows)]
    for word, (x, y) in sorted(zip(WORDS, cells.round().astype(int).tolist(), strict=True)):
        for k, letter in enumerate(word):
            canvas[rows - 1 - y][x + k] = letter
    print(f"--- W_embed at step {step} ---", *("".join(row).rstrip() for row in canvas), sep="\n")

# %% [markdown]
# How much nearer is a name to another name than to another token? At the start the two distances are alike.

# %%
names = [WORDS.index(name) for name in NAMES]
others = [i for i in range(len(WORDS)) if i not in names]
for step in (0, 100, 1000):
    e = moments[step].params["wte"]
    e = e / np.linalg.norm(e, axis=1, keepdims=True)
    cosine = e @ e.T
    among = cosine[np.ix_(names, names)][~np.eye(4, dtype=bool)].mean()
    apart = cosine[np.ix_(names, others)].mean()
    print(f"step {step:>4}: cosine of names with names {among:+.2f}, with others {apart:+.2f}")

# %% [markdown]
# ## What it has learned of Frank
#
# The shares in which Frank spoke, out of the model's own softmax.

# %%
for step in (0, 100, 1000):
    p = probabilities(moments[step].params, encode(". frank"))[-1]
    print(f"step {step:>4}: " + "  ".join(f"{word} {p[WORDS.index(word)]:.2f}" for word in P))
