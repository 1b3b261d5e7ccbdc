from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cloudops_nb.storage.encryption.vector_rotation import DIMENSION, Rotation
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

KEYS = StoreKeys(MasterKey(bytes(range(32))))
ROTATION = Rotation(KEYS)
PROGRAM = """
import json
import numpy as np
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys
from cloudops_nb.storage.encryption.vector_rotation import DIMENSION, Rotation
rotation = Rotation(StoreKeys(MasterKey(bytes(range(32)))))
print(json.dumps(rotation.apply(np.eye(DIMENSION)).tolist()))
"""


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.fast
def test_the_matrix_is_orthogonal() -> None:
    matrix = ROTATION.apply(np.eye(DIMENSION)).astype(np.float64)

    assert np.abs(matrix @ matrix.T - np.eye(DIMENSION)).max() < 1e-6


@pytest.mark.fast
def test_cosines_are_kept() -> None:
    one, two = unit_vectors(200, seed=1), unit_vectors(200, seed=2)

    assert np.abs(ROTATION.apply(one) @ ROTATION.apply(two).T - one @ two.T).max() < 1e-5


@pytest.mark.fast
def test_a_rotated_vector_turns_back() -> None:
    vectors = unit_vectors(100, seed=5)

    assert np.abs(ROTATION.undo(ROTATION.apply(vectors)) - vectors).max() < 1e-5
    assert ROTATION.undo(ROTATION.apply(vectors[0])).shape == (DIMENSION,)


@pytest.mark.fast
def test_a_rotated_vector_points_elsewhere() -> None:
    vectors = unit_vectors(100, seed=3)
    same = np.sum(vectors * ROTATION.apply(vectors), axis=1)

    # For a uniformly drawn rotation these cosines have mean 0 and deviation 1/sqrt(384) = 0.05.
    assert np.abs(same).max() < 0.3


@pytest.mark.fast
def test_entries_are_spread_as_those_of_a_uniform_rotation() -> None:
    entries = ROTATION.apply(np.eye(DIMENSION)).ravel() * np.sqrt(DIMENSION)

    assert abs(entries.mean()) < 0.02
    assert abs((entries**4).mean() - 3) < 0.1


@pytest.mark.fast
@pytest.mark.parametrize("dimension", [1, 2, 3, 7])
def test_small_dimensions_rotate_too(dimension: int) -> None:
    matrix = Rotation(KEYS, dimension).apply(np.eye(dimension))

    assert np.abs(matrix @ matrix.T - np.eye(dimension)).max() < 1e-6


@pytest.mark.fast
@pytest.mark.parametrize("shape", [(DIMENSION,), (0, DIMENSION), (5, DIMENSION)])
def test_shapes_are_kept_in_float32(shape: tuple[int, ...]) -> None:
    rotated = ROTATION.apply(np.zeros(shape))

    assert (rotated.shape, rotated.dtype) == (shape, np.dtype(np.float32))


@pytest.mark.fast
def test_another_key_rotates_otherwise() -> None:
    vectors = unit_vectors(10, seed=4)
    other = Rotation(StoreKeys(MasterKey(bytes(32)))).apply(vectors)

    assert np.abs(np.sum(ROTATION.apply(vectors) * other, axis=1)).max() < 0.3


def test_another_process_rotates_in_the_same_way(start_python: Callable[..., subprocess.Popen[str]]) -> None:
    output, _ = start_python(PROGRAM).communicate(timeout=60)

    assert np.abs(np.array(json.loads(output)) - ROTATION.apply(np.eye(DIMENSION))).max() < 1e-6
