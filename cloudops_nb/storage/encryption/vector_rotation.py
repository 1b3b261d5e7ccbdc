"""Rotates dense vectors by a secret matrix, which preserves all cosines and hides the meaning of the axes.

Off-the-shelf models can guess a text from its raw embedding. To guess it from a rotated embedding, an attacker needs
the seed of the matrix, or pairs of texts and their rotated vectors.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cloudops_nb.storage.keys.master_key import KeyHolder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cloudops_nb.storage.keys.master_key import StoreKeys

DIMENSION = 384


class Rotation(KeyHolder):
    """Rotates vectors by a uniformly distributed (Haar) orthogonal matrix, which is built at first use in about 0.1 s.

    The same seed gives the same matrix in every process and NumPy version, up to float64 rounding: the random numbers
    come from SHAKE-256. LAPACK is not used, because LAPACK versions differ in their choice of signs.
    """

    def __init__(self, keys: StoreKeys, dimension: int = DIMENSION) -> None:
        self._seed = keys.vector_rotation_seed
        self.dimension = dimension

    def apply(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Rotate vectors of shape ``(n, dimension)``, or one of shape ``(dimension,)``; the result is float32."""
        rows = np.asarray(vectors, dtype=np.float32)[..., np.newaxis, :]
        # One product per row: for a large product, BLAS starts threads, which keep all cores busy for 0.1 s afterwards.
        rotated: NDArray[np.float32] = (rows @ self._matrix)[..., 0, :]
        return rotated

    def undo(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Undo the rotation of vectors of shape ``(n, dimension)``; the result is float32."""
        original: NDArray[np.float32] = np.asarray(vectors, dtype=np.float32) @ self._matrix.T
        return original

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        return _orthogonal(self._seed, self.dimension).astype(np.float32)


def _orthogonal(seed: bytes, dimension: int) -> NDArray[np.float64]:
    """Return a product of Householder reflections of shrinking size (Stewart, SIAM J. Numer. Anal. 17, 1980)."""
    matrix = np.eye(dimension)
    signs = np.empty(dimension)
    normals = _normals(seed, dimension * (dimension + 1) // 2)
    for start in range(dimension):
        column, normals = np.split(normals, [dimension - start])
        signs[start] = np.copysign(1.0, column[0])
        mirror = column.copy()
        mirror[0] += signs[start] * np.sqrt(column @ column)
        mirror /= np.sqrt(mirror @ mirror / 2)
        block = matrix[:, start:]
        block -= np.outer(block @ mirror, mirror)
    return signs[:, np.newaxis] * matrix


def _normals(seed: bytes, count: int) -> NDArray[np.float64]:
    """Return ``count`` standard normal deviates, computed from the seed by the Box-Muller transform."""
    pairs = (count + 1) // 2
    stream = hashlib.shake_256(b"cloudops/1/rotation-stream" + seed).digest(16 * pairs)
    uniform = (np.frombuffer(stream, dtype="<u8") >> np.uint64(11)).astype(np.float64)
    uniform = (uniform + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:pairs]))
    angle = 2.0 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
