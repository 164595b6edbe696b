# %% [markdown]
# # 6. The way of the gradient
#
# Which way should every weight move? The gradient of the loss by a weight says by how much the loss rises when
# the weight rises a little. Backpropagation finds all of them in one walk from the loss back to the weights.

# %%
import numpy as np

import autograd as ag
from autograd import Tensor
from transformer import loss
from transformer.layers import cross_entropy
from transformer.lesson.dinner import CONFIG, EVENING, WORDS, P, encode, forward, saying, trained

np.set_printoptions(precision=3, suppress=True)
params = trained()

# %% [markdown]
# ## It begins with P minus one-hot
#
# The model says P after "frank", as in lesson 5, and Frank says spicy. The gradient by the scores is P, less 1
# at the word that came: raise that score, lower the others, each by as much as it was believed.

# %%
exact = saying(params, encode(". frank"), P)
stages = forward({name: Tensor(p, name) for name, p in exact.items()}, encode(". frank"))
scores = stages["logits"]
cross_entropy(scores[-1:], encode("spicy")).backward()
print("      P - onehot:", np.array([p - (word == "spicy") for word, p in P.items()]))
print("scores.grad says:", scores.grad[-1, [WORDS.index(word) for word in P]])

# %% [markdown]
# ## Down through the layers
#
# A whole evening now, with every stage of lesson 4 kept as a Tensor, so that each has a gradient.

# %%
tokens = encode(f". {EVENING} .")
nodes = {name: Tensor(p, name) for name, p in params.items()}
stages = forward(nodes, tokens[:-1])
value = cross_entropy(stages["logits"], tokens[1:])
value.backward()
size = np.linalg.norm
print(f"loss {value.data:.6f}")

# %% [markdown]
# **W_vocab.** scores = x W_vocab, so W_vocab gets xᵀ times the gradient of the scores, and x gets that gradient
# times W_vocabᵀ.

# %%
g = stages["logits"].grad
print("W_vocab:", np.allclose(nodes["lm_head"].grad, stages["x"].data.T @ g))
print("x:      ", np.allclose(stages["x"].grad, g @ params["lm_head"].T))

# %% [markdown]
# **LayerNorm** takes the mean out of what it is given and divides by the deviation, so its result does not change
# when all of its input moves together, nor when it grows by a factor. Hence its gradient has nothing along
# either direction: both sums are 0.

# %%
r, r_grad = stages["h1.res2"].data, stages["h1.res2"].grad
print(f"largest sum of the gradient over a row: {np.abs(r_grad.sum(axis=-1)).max():.1e}")
centred = r - r.mean(axis=-1, keepdims=True)
print(
    f"largest product with the centred row:   {np.abs((r_grad * centred).sum(axis=-1)).max():.1e} (1e-5 under the root)"
)

# %% [markdown]
# **The residual** is a sum, x + FFN(x), so the gradient is *copied* into both branches. The branch through the FFN
# gets it unchanged; the other has it too, plus what comes back through the FFN. So the gradient has a road past
# every layer on which nothing shrinks it.

# %%
print("into the FFN branch, the same:", np.array_equal(stages["h1.ffn"].grad, r_grad))
through_ffn = stages["h1.hidden"].grad @ params["h1.mlp.w1"].T
print("past it, the same plus the FFN's:", np.allclose(stages["h1.ln1"].grad, r_grad + through_ffn))

# %% [markdown]
# **W2, then ReLU.** Where the ReLU gave 0, its gradient is 0, exactly: an inactive neuron does not learn from this
# evening. Where it was active, the gradient passes unchanged.

# %%
off = stages["h1.hidden"].data <= 0
inside, outside = stages["h1.hidden"].grad, stages["h1.relu"].grad
print(f"{off.sum()} of {off.size} neurons are inactive; their gradients: {np.unique(inside[off])}")
print("active ones pass it on unchanged:", np.array_equal(inside[~off], outside[~off]))

# %% [markdown]
# **Attention.** Y = A V, so V gets Aᵀ times the gradient: a token that was looked at much learns much. The scores of
# attention go through a softmax again: each row of their gradient sums to 0, for a softmax only shifts attention
# from one place to another. What is masked gets exactly 0.

# %%
A, s = stages["h1.A"].data, stages["h1.scores"].grad
print(f"largest sum of a row of the scores' gradient: {np.abs(s.sum(axis=-1)).max():.1e}")
print("the future gets at most:", np.abs(np.triu(s, k=1)).max())
for name in ("wq", "wk", "wv", "wo"):
    print(f"|gradient of h1.attn.{name}| = {size(nodes[f'h1.attn.{name}'].grad):.4f}")

# %% [markdown]
# **X' = X + P.** The sum hands its gradient to both; P is no parameter, so it gets no update, but W_embed does, in
# the rows of the tokens that occurred. The row of a word that nobody said stays at exactly 0, and that of "emma",
# who occurs twice, gets the sum of two.

# %%
print("P is a plain array, not a node:", isinstance(stages["P"], np.ndarray))
print("X gets what X' gets:", np.array_equal(stages["X"].grad, stages["X'"].grad))
embed = nodes["wte"].grad
print({word: float(size(embed[WORDS.index(word)]).round(4)) for word in ("emma", "cheap", "vibe", "flavor")})
twice = np.flatnonzero(tokens[:-1] == WORDS.index("emma"))
print("emma's row is the sum of two:", np.allclose(embed[WORDS.index("emma")], stages["X"].grad[twice].sum(axis=0)))

# %% [markdown]
# ## How large it is, layer by layer

# %%
for layer in ("lm_head", "h1.mlp", "h1.attn", "h0.mlp", "h0.attn", "wte"):
    norm = np.sqrt(sum((node.grad**2).sum() for name, node in nodes.items() if name.startswith(layer)))
    print(f"{layer:<8} {norm:.4f} {'#' * round(60 * norm)}")

# %% [markdown]
# ## A gradient of +0.023
#
# Among the weights is one whose gradient is +0.023. It says: raise this weight by 0.001, and the loss rises by
# 0.000023. Try it.

# %%
name, where = min(
    ((name, i) for name, node in nodes.items() for i in np.ndindex(node.shape)),
    key=lambda at: abs(nodes[at[0]].grad[at[1]] - 0.023),
)
raised = {**params, name: params[name].copy()}
raised[name][where] += 0.001
difference = loss(raised, tokens, CONFIG) - loss(params, tokens, CONFIG)
print(f"{name}{list(map(int, where))}: gradient {nodes[name].grad[where]:+.3f}")
print(f"raised by 0.001, the loss changes by {difference:+.6f}")

# %% [markdown]
# And so for all of them: `gradcheck` compares the engine's gradients with such trials.

# %%
print(ag.gradcheck(lambda w: loss({**params, "h1.attn.wv": w}, tokens, CONFIG), params["h1.attn.wv"]).verdict)
