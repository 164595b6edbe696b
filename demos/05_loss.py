# %% [markdown]
# # 5. The loss
#
# How wrong is a prediction? The loss is -log of the probability that was given to what came: 0 for
# certainty, and the larger, the more surprising the truth was.
#
# After "frank" the trained model says, out of its own softmax:

# %%
import numpy as np

from transformer import loss
from transformer.layers import cross_entropy
from transformer.lesson.dinner import CONFIG, EVENING, NAMES, WORDS, P, encode, forward, probabilities, saying, trained

params = trained()
tokens = encode(". frank")
said = probabilities(params, tokens)[-1]
print({word: round(float(said[WORDS.index(word)]), 2) for word in P})

# %% [markdown]
# That is no accident. In 400 evenings Frank says spicy 180 times, cheap 120, fast 60, cozy 20, flavor 12 and
# vibe 8 times, and the loss is least where the model says exactly these shares. It came close by training.
#
# To have the round numbers exactly, the softmax is turned round: it says P where the scores are log P. The
# least change of W_vocab that makes them so is one line of algebra, `saying`.

# %%
exact = saying(params, tokens, P)
said = probabilities(exact, tokens)[-1]
print({word: round(float(said[WORDS.index(word)]), 9) for word in P})

# %% [markdown]
# Now the price of each word that could come. `loss` averages over all positions; here only the last counts,
# so that the loss is -log P of that one word.

# %%
scores = forward(exact, tokens)["logits"][-1:]  # (1, V)
for word in P:
    print(f"if Frank says {word:<6} P = {P[word]:.2f}, loss {cross_entropy(scores, encode(word)):.3f}")

# %% [markdown]
# ## The more certain, the cheaper
#
# The same model, made to say spicy with 0.02, 0.45, 0.80 and 0.99, and the loss when Frank does say spicy.

# %%
for p in (0.02, 0.45, 0.80, 0.99):
    model = saying(params, tokens, {"spicy": p, "cheap": 1 - p})
    scores = forward(model, tokens)["logits"][-1:]
    print(f"P(spicy) = {p:.2f}: loss {cross_entropy(scores, encode('spicy')):.3f}")

# %% [markdown]
# ## Averaged over all positions
#
# Frank, Emma, Daniel and Alex each predict, and so does every other token. The loss of an evening is the mean
# over them all.

# %%
tokens = encode(f". {EVENING} .")
p = probabilities(params, tokens[:-1])
costs = -np.log(p[np.arange(len(p)), tokens[1:]])
for token, following, cost in zip(tokens, tokens[1:], costs, strict=False):
    who = "  <- predicts what will be said" if WORDS[token] in NAMES else ""
    print(f"{WORDS[token]:>8} -> {WORDS[following]:<8} {cost:.3f}{who}")
print(f"mean {costs.mean():.6f}, loss {loss(params, tokens, CONFIG):.6f}")

# %% [markdown]
# Can the loss fall to 0? Not here: what the four will say is a draw. The best that a model can do on evenings that
# it has not seen is the entropy of the draws: -Σ P log P for each of the four words, log 4 for who decides, and 0
# for the rest. (On those that it has seen it can do better, by remembering them.)

# %%
entropy = -sum(p * np.log(p) for p in P.values())
print(f"a word costs {entropy:.3f} at best, who decides {np.log(4):.3f};")
best = (4 * entropy + np.log(4)) / 14
print(f"the mean over 14 predictions is at best {best:.3f}, and chance is {np.log(len(WORDS)):.3f}")
