# %% [markdown]
# # 4. The forward chain
#
# Frank, Emma, Daniel and Alex talk about where to eat. Each says a word, then one of them decides and
# repeats what he or she said, and the dish follows. The model reads such evenings word by word.

# %%
import time

import numpy as np

import autograd as ag
from transformer import logits, loss
from transformer.layers import causal_mask, layernorm, relu, sinusoids, softmax
from transformer.lesson.dinner import CONFIG, DINNER, EVENING, ROWS, WORDS, decode, encode, trained

print(*DINNER.read_text().splitlines()[:3], sep="\n")
print(f"... {len(ROWS)} evenings; the {len(WORDS)} tokens: {' '.join(WORDS)}")

# %% [markdown]
# A token is a number, its place in the vocabulary. A full stop stands before and after every evening.

# %%
tokens = encode(f". {EVENING}")
print(decode(tokens))
print(tokens)

# %% [markdown]
# ## The chain, a line at a time
#
# This is the decoder of the first transformer, with two layers, two heads and a width of 16. The weights
# have been trained for 1,000 steps, which lesson 8 shows. `T` is the number of tokens.
#
# First X, a row of W_embed for every token, and X' = X + P, with the fixed sines and cosines P that say
# which place is which.

# %%
params = trained()
T, d, heads = len(tokens), CONFIG.n_embd, CONFIG.n_head
X = params["wte"][tokens]  # (T, d)
P = sinusoids(T, d, "float64")  # (T, d)
x = X + P


def split(y):
    return y.reshape(T, heads, d // heads).swapaxes(0, 1)  # (T, d) -> (heads, T, d/heads)


# %% [markdown]
# Then, for every layer: queries, keys and values; masked attention, in which a token looks only at itself and
# at what stands before it; + residual; LayerNorm; the feed-forward network, W1, ReLU, W2; + residual;
# LayerNorm.
#
# $$A = \mathrm{softmax}\left(\frac{Q K^T}{\sqrt{d_{head}}} + \mathrm{mask}\right), \quad \mathrm{attention} = A V W_O$$

# %%
for h in ("h0", "h1"):
    Q, K, V = (split(x @ params[f"{h}.attn.{w}"]) for w in ("wq", "wk", "wv"))
    A = softmax(Q @ K.swapaxes(-1, -2) / np.sqrt(d // heads) + causal_mask(T, "float64"))  # (heads, T, T)
    attention = (A @ V).swapaxes(0, 1).reshape(T, d) @ params[f"{h}.attn.wo"]
    x = layernorm(x + attention)
    hidden = relu(x @ params[f"{h}.mlp.w1"] + params[f"{h}.mlp.b1"])  # (T, 4d)
    x = layernorm(x + (hidden @ params[f"{h}.mlp.w2"] + params[f"{h}.mlp.b2"]))
    print(f"{h}: attention {A.shape}, hidden {hidden.shape}, {np.mean(hidden == 0):.0%} of the ReLUs off, x {x.shape}")

# %% [markdown]
# At last the scores of every word, x W_vocab, and the softmax that makes them probabilities. That is all of
# the model: `transformer.logits` computes the same.

# %%
scores = x @ params["lm_head"]  # (T, V)
p = softmax(scores)
print("the same as transformer.logits:", np.allclose(scores, logits(params, tokens, CONFIG), rtol=1e-12, atol=1e-12))

# %% [markdown]
# ## Each position predicts
#
# Frank, Emma, Daniel and Alex each predict the word that follows, and so does every other token, all in one
# pass. What a person says cannot be known, only how often; who decides neither. But what the one who decides
# says can be read off the evening, and the model does: that is attention at work.

# %%
for t in range(T - 1):
    best = np.argsort(-p[t])[:3]
    said = ", ".join(f"{WORDS[i]} {p[t, i]:.2f}" for i in best)
    print(f"{WORDS[tokens[t]]:>8} -> {WORDS[tokens[t + 1]]:<8} {p[t, tokens[t + 1]]:.2f}   it predicts {said}")

# %%
at = 11  # the second "emma"
looks = A[0, at]
print(f"the second emma looks at: {', '.join(f'{WORDS[tokens[j]]} {looks[j]:.2f}' for j in np.argsort(-looks)[:2])}")

# %% [markdown]
# ## One model, four magnifications
#
# The lines above are ordinary NumPy. What flows through them decides what you get: numbers alone, a graph of
# every multiplication, a graph of array operations, which is fast, or the same graph compiled by JAX.


# %%
def timed(kind, f, *args):
    start = time.perf_counter()
    result = f(*args)
    value, grads = result if isinstance(result, tuple) else (result, None)
    elapsed = 1e3 * (time.perf_counter() - start)
    slope = f"d loss / d W_embed[frank, 0] = {grads['wte'][1, 0]:+.12f}" if grads else "no graph"
    print(f"{kind:<16} loss {value:.12f}   {slope}   {elapsed:6.1f} ms")


timed("plain arrays", loss, params, tokens, CONFIG)
timed("single Values", ag.value_and_grad(loss), {k: ag.values(p) for k, p in params.items()}, tokens, CONFIG)
timed("Tensors", ag.value_and_grad(loss), params, tokens, CONFIG)
try:
    import jax
except ImportError:
    print("Tensors over JAX: pip install jax to see the fourth")
else:
    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(lambda p: ag.value_and_grad(loss)(p, tokens, CONFIG))
    compiled(params)  # the first call compiles
    timed("Tensors over JAX", compiled, params)
