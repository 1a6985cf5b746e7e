"""Hard negatives: other places that look alike to the network that is being trained.

After NetVLAD's training (arXiv 1511.07247): all pictures are described by the network as it stands,
and what the index of their descriptors finds is kept until they are described anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpr_edge.training.sources import PlaceSource

Vectors = NDArray[np.float32]
_CHUNK = 512


@dataclass(frozen=True)
class HardNegatives:
    """For every picture of every source pairs of other places that look like it.

    Attributes:
        pairs: one int64 [M, k] a place source: rows of `PlaceSource.pairs`; -1 where there are
            fewer.
    """

    pairs: tuple[NDArray[np.int64], ...]

    def alike(
        self, source: int, pictures: NDArray[np.int64], pairs: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """For each of these pictures of a source a pair of the same source that looks like it.

        Args:
            source: its number.
            pictures: indices.
            pairs: how many the source has; where nothing was mined, any is drawn.
            rng: of the draws.
        """
        table = self.pairs[source]
        found = table[pictures, rng.integers(table.shape[1], size=len(pictures))]
        return np.where(found >= 0, found, rng.integers(pairs, size=len(pictures)))


def mine(
    sources: Sequence[PlaceSource],
    describe: Callable[[NDArray[np.uint8]], Vectors],
    nearest: int,
) -> HardNegatives:
    """Describe all pictures and look up the most alike ones of other places.

    Args:
        sources: of pairs.
        describe: pictures uint8 [N, H, W, 3] to unit vectors float32 [N, D].
        nearest: how many a picture.
    """
    return HardNegatives(
        tuple(hard_pairs(source, describe(source.images), nearest) for source in sources)
    )


def hard_pairs(source: PlaceSource, vectors: Vectors, nearest: int) -> NDArray[np.int64]:
    """The pairs of the `nearest` most alike pictures of other places, int64 [M, nearest].

    Pictures of one track nearer than the source's guard are not other places, nor are pictures that
    are a pair of it. Rows are filled up with -1.
    """
    pair_of = np.full(len(source.images), -1)
    for column in (1, 0):
        pair_of[source.pairs[:, column]] = np.arange(len(source.pairs))
    partners = {(int(a), int(b)) for a, b in source.pairs}
    # Neighbours of the same place stand first and are skipped: ask for more than are needed.
    near = _same_place_count(source)
    found = search(vectors, min(len(vectors), nearest + near))
    result = np.full((len(vectors), nearest), -1)
    for picture, row in enumerate(found):
        same = source.track[row] == source.track[picture]
        close = np.abs(source.position[row] - source.position[picture]) < source.guard
        paired = [(picture, int(o)) in partners or (int(o), picture) in partners for o in row]
        pairs = pair_of[row[~(same & close) & ~np.array(paired) & (pair_of[row] >= 0)]]
        kept = list(dict.fromkeys(pairs.tolist()))[:nearest]
        result[picture, : len(kept)] = kept
    return result


def search(vectors: Vectors, k: int) -> NDArray[np.int64]:
    """The k most alike vectors of each, itself included, best first: FAISS if it is installed."""
    try:
        import faiss
    except ImportError:
        from vpr_edge.places.search import rank

        return rank(vectors, vectors, k)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    found: NDArray[np.int64] = index.search(np.ascontiguousarray(vectors), k)[1]
    return found


def _same_place_count(source: PlaceSource) -> int:
    """The most pictures that any picture shares its place with, itself included."""
    most = 0
    for start in range(0, len(source.images), _CHUNK):
        part = slice(start, start + _CHUNK)
        close = np.abs(source.position[part, None] - source.position) < source.guard
        most = max(most, int(((source.track[part, None] == source.track) & close).sum(1).max()))
    return most + 1
