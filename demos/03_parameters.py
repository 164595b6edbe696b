# %% [markdown]
# # 3. The parameters
#
# What is it that learns? Arrays of numbers, and there are not many kinds of them:
#
# - every attention layer has W_Q, W_K, W_V and W_O, each of (d, d);
# - every feed-forward layer has W1 of (d, 4d), b1, W2 of (4d, d) and b2;
# - there is one W_embed of (vocabulary, d), and one W_vocab of (d, vocabulary), which may share its
#   numbers with W_embed;
# - the positions P of the first transformer are fixed sines and cosines, and do not learn.
#
# Every layer has its own copies. Weights are stored as (in, out), so that a layer is `x @ W + b`.

# %%
import math

import numpy as np

from transformer import Config, init
from transformer.config import count, shapes

config = Config.preset("vanilla", n_layer=2, n_embd=32)
for name, shape in shapes(config).items():
    print(f"{name:<12} {' x '.join(map(str, shape)):>9}  {math.prod(shape):>6,}")
print(f"{'all':<12} {'':>9}  {count(config):>6,}")

# %% [markdown]
# At first they are random, small, and mean nothing.

# %%
wq = init(config, np.random.default_rng(0))["h0.attn.wq"]
print(f"W_Q of layer 0: mean {wq.mean():+.3f}, deviation {wq.std():.3f}; its corner:\n{wq[:3, :4].round(3)}")

# %% [markdown]
# ## The published sizes, exactly
#
# Counts come from the shapes alone, so no weight of GPT-3's need be made to count them.

# %%
print(f"{'':<12} {'layers':>6} {'d_model':>7} {'parameters':>15}")
for name in ("gpt2", "gpt2-large", "gpt3"):
    c = Config.preset(name)
    print(f"{name:<12} {c.n_layer:>6} {c.n_embd:>7} {count(c):>15,}")

# %% [markdown]
# ## Why 117M and 124M
#
# GPT-2 small is called a model of 117 million parameters in the first report, and one of 124 million
# everywhere else. The weights that were released are 124,439,808 numbers. Here they are by kind; a layer
# of width d has 12 d² + 13 d of them.

# %%
gpt2 = Config.preset("gpt2")
kinds = {"wte": "W_embed", "wpe": "positions", "attn": "attention", "mlp": "feed-forward"}
totals = dict.fromkeys([*kinds.values(), "norms"], 0)
for name, shape in shapes(gpt2).items():
    totals[next((kind for part, kind in kinds.items() if part in name.split(".")), "norms")] += math.prod(shape)
for kind, n in totals.items():
    print(f"{kind:<13} {n:>11,}")
d = gpt2.n_embd
print(f"12 layers     {12 * (12 * d * d + 13 * d):>11,} = 12 (12 d² + 13 d), d = {d}")
print(f"all           {count(gpt2):>11,}")

# %% [markdown]
# 117M was an error, as the notes to the released code say: the counts in the report were wrong, for all sizes.
# How it arose is not told, but it is the size of GPT-1, which has the same layers and width: with
# GPT-1's 40,478 tokens and 512 positions in place of 50,257 and 1,024 the count is 117 million.

# %%
gpt1 = Config.preset("gpt2", vocab_size=40478, block_size=512, final_norm=False)
print(f"GPT-1's shape {count(gpt1):>11,}")

# %% [markdown]
# ## Which of them share
#
# GPT-2 uses W_embed twice: to turn tokens into vectors, and, transposed, to turn vectors into scores of
# tokens. Two arrays instead of one would cost 38,597,376 more numbers.

# %%
print(f"not shared    {count(Config.preset('gpt2', tied=False)) - count(gpt2):>11,} more")
