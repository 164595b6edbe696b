"""Which part of a batch, and of the weights, lies on which device: a mesh of devices with named axes.

data    the rows of a batch are split over it; and so are weights, gradients and moments, each of which is put together
        where it is needed ("fully sharded"), unless they are to be replicated ("data parallel")
model   the heads of attention and the columns of the MLP are split over it ("tensor parallel")

What is said here is where things lie. What must be sent for that XLA finds out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transformer.base import Array, Params
from transformer.config import Config
from transformer.xla import jax_for
from transformer.xla.deep import is_stacked

__all__ = ["AXES", "Layout", "fitting", "sizes_of", "spec"]

AXES = ("data", "model")
Spec = tuple[str | None, ...]  # per axis of an array, the axis of the mesh that it is split over

# Matrices whose columns belong to heads or to units of the MLP, their biases, and matrices whose rows do.
COLUMNS = {"wq", "wk", "wv", "w1", "wg", "bq", "bk", "bv", "b1", "bg"}
ROWS = {"wo", "w2"}


def sizes_of(text: str) -> dict[str, int]:
    """The sizes of a mesh spelled data=2,model=2; ValueError for what spells none."""
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, _, size = part.strip().partition("=")
        if name not in AXES:
            raise ValueError(f"--mesh {text}: {name!r} is no axis of a mesh; there are {' and '.join(AXES)}")
        if name in sizes:
            raise ValueError(f"--mesh {text}: {name} is given twice")
        if not (size.isdecimal() and 1 <= int(size) < 10**9):
            raise ValueError(f"--mesh {text}: {name}={size} is not a whole number from 1 on; write {name}=2")
        sizes[name] = int(size)
    return sizes


def spelled_out(sizes: Mapping[str, int]) -> str:
    """A mesh as it is typed."""
    return ",".join(f"{name}={size}" for name, size in sizes.items())


def fitting(sizes: Mapping[str, int], config: Config, batch_size: int) -> None:
    """ValueError where a model or a batch cannot be split over a mesh evenly."""
    n = sizes.get("model", 1)
    heads = {"n_head": config.n_head, "n_kv_head": getattr(config, "n_kv_head", None) or config.n_head}
    for name, size in {**heads, "columns of the MLP": mlp_width(config)}.items():
        if size % n:
            raise ValueError(f"--mesh model={n} does not divide {name}={size}: every device takes an equal share")
    n = sizes.get("data", 1)
    if batch_size % n:
        raise ValueError(
            f"--mesh data={n} does not divide the batch of {batch_size} rows: every device takes an equal share"
        )


def mlp_width(config: Config) -> int:
    """The columns of the first matrix of an MLP."""
    from transformer.config import shapes

    return shapes(config)["h0.mlp.w1"][1]


def spec(name: str, shape: tuple[int, ...], sizes: Mapping[str, int], sharded: bool) -> Spec:
    """What a parameter is split over. sharded: also over data, along its longest axis that divides and is free."""
    out: list[str | None] = [None] * len(shape)
    kind = name.rpartition(".")[2]
    if sizes.get("model", 1) > 1 and kind in COLUMNS | ROWS:
        out[-1 if kind in COLUMNS else 0] = "model"
    n = sizes.get("data", 1)
    free = [i for i, size in enumerate(shape) if out[i] is None and size % n == 0]
    if sharded and n > 1 and free:
        out[max(free, key=lambda i: shape[i])] = "data"
    return tuple(out)


class Layout:
    """Where arrays lie: on one device, or spread over a mesh of those that JAX has.

    sharded: weights, gradients and moments are split over data, too. abstract: the devices need not be there,
    since nothing is computed but shapes.
    Raises ValueError for a mesh that is not made of these devices.
    """

    def __init__(self, sizes: Mapping[str, int] | None = None, sharded: bool = True, abstract: bool = False) -> None:
        self.jax = jax = jax_for("--mesh" if sizes else "--array jax")
        self.sizes, self.sharded = dict(sizes or {}), sharded
        self._mesh: Any = None
        if not sizes:
            return
        kinds = (jax.sharding.AxisType.Auto,) * len(sizes)
        if abstract:
            self._mesh = jax.sharding.AbstractMesh(tuple(sizes.values()), tuple(sizes), axis_types=kinds)
            return
        devices, n = jax.devices(), int(np.prod(list(sizes.values())))
        if n > len(devices) or (n < len(devices) and jax.process_count() > 1):
            many = "1 device" if len(devices) == 1 else f"{len(devices)} devices"
            more = f", or set XLA_FLAGS=--xla_force_host_platform_device_count={n} to make more of a CPU"
            most = "at most " * (jax.process_count() == 1)  # of several processes each must have a part
            raise ValueError(
                f"--mesh {spelled_out(sizes)} is of {n}, and JAX has {many} ({devices[0].platform}); choose sizes "
                f"whose product is {most}{len(devices)}" + more * (n > len(devices) and devices[0].platform == "cpu")
            )
        self._mesh = jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=kinds, devices=devices[:n])
        self._gather = jax.jit(lambda x: x, out_shardings=self._sharding(()))

    @property
    def about(self) -> str:
        """What it computes on, as text."""
        devices = self.jax.devices()
        n = self._mesh.size if self.sizes else 1
        spelled = f" ({spelled_out(self.sizes)})" if self.sizes else ""
        return f"JAX {self.jax.__version__} on {n} {devices[0].platform} device{'s' * (n > 1)}{spelled}"

    def must_fit(self, config: Config, batch_size: int) -> None:
        """ValueError where the model or a batch cannot be split over it."""
        fitting(self.sizes, config, batch_size)

    def rounded(self, n_rows: int) -> int:
        """So many rows, or a few more, that they can be split."""
        n = self.sizes.get("data", 1)
        return -(-n_rows // n) * n

    # ---- placing ----

    def weights(self, tree: Params) -> Params:
        """Parameters, or moments of theirs, where they lie between steps."""
        return {k: x if isinstance(x, self.jax.Array) else self._placed(k, x) for k, x in tree.items()}

    def batch(self, rows: np.ndarray, n_rows: int | None = None) -> Array:
        """Rows, or masks of rows, split over data. n_rows: of all, where these are the share of this process."""
        if self._mesh is None:
            return rows
        if n_rows is None or self.share(n_rows) == slice(0, n_rows):
            return self._spread(rows, self._rows)
        first, shape = self.share(n_rows).start, (n_rows, *rows.shape[1:])

        def own(index: tuple[slice, ...]) -> np.ndarray:
            start, stop, _ = index[0].indices(n_rows)
            return rows[start - first : stop - first][(slice(None), *index[1:])]

        return self.jax.make_array_from_callback(shape, self._rows, own)

    def share(self, n_rows: int) -> slice:
        """Which of so many rows this process needs: those that lie on its devices."""
        if self._mesh is None or self.jax.process_count() == 1:
            return slice(0, n_rows)
        held = [index[0].indices(n_rows) for index in self._rows.addressable_devices_indices_map((n_rows,)).values()]
        return slice(min(start for start, _, _ in held), max(stop for _, stop, _ in held))

    @property
    def _rows(self) -> Any:
        return self._sharding(("data" if "data" in self.sizes else None,))

    def gathered(self, params: Params) -> Params:
        """Inside a compiled function: parameters as the model computes with them, put together over data."""
        return self._constrained(params, sharded=False)

    def stored(self, grads: Params) -> Params:
        """Inside a compiled function: gradients as the parameters lie between steps."""
        return self._constrained(grads, self.sharded)

    def host(self, tree: Params) -> dict[str, np.ndarray]:
        """Arrays of NumPy with the same numbers, whole, in every process."""
        return {k: np.array(self._whole(x)) for k, x in tree.items()}

    def agreed(self, flag: int) -> int:
        """The largest of a number that each process has, in all of them."""
        if self._mesh is None or self.jax.process_count() == 1:
            return flag
        from jax.experimental.multihost_utils import process_allgather

        return int(process_allgather(np.int32(flag)).max())

    def _placed(self, name: str, x: np.ndarray) -> Array:
        return self.jax.device_put(x) if self._mesh is None else self._spread(x, self._of(name, x))

    def _whole(self, x: Array) -> Array:
        if not isinstance(x, self.jax.Array) or x.is_fully_addressable:
            return x
        if not x.is_fully_replicated:
            x = self._gather(x)
        return x.addressable_data(0)

    def spec(self, name: str, shape: tuple[int, ...], sharded: bool | None = None) -> Spec:
        """What a parameter is split over between steps."""
        sharded = self.sharded if sharded is None else sharded
        if is_stacked(name):
            return (None, *spec(name, shape[1:], self.sizes, sharded))
        return spec(name, shape, self.sizes, sharded)

    def _of(self, name: str, x: Array, sharded: bool | None = None) -> Any:
        return self._sharding(self.spec(name, tuple(x.shape), sharded))

    def _sharding(self, parts: Spec) -> Any:
        return self.jax.sharding.NamedSharding(self._mesh, self.jax.sharding.PartitionSpec(*parts))

    def _spread(self, x: Array, sharding: Any) -> Array:
        """A whole array, of which every process has all, over the mesh: each device is given its part."""
        x = np.asarray(x)
        return self.jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    def _constrained(self, tree: Params, sharded: bool) -> Params:
        if self._mesh is None:
            return tree
        place = self.jax.lax.with_sharding_constraint
        return {k: place(x, self._of(k, x, sharded)) for k, x in tree.items()}
