"""Random layers that move elements and compute nothing, and resizing."""

from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.graph_writer import LARGEST, GraphWriter, Value

MOVABLE = ("int8", "int16", "float32")


def reshape(writer: GraphWriter, source: Value) -> bool:
    """RESHAPE, often to an image; sometimes to a shape that other layers compute."""
    if source.dtype not in MOVABLE:
        return False
    count = prod(source.shape)
    twins = [v for v in writer.values if prod(v.shape) == count and len(v.shape) > 1]
    if writer.chance(0.2) and twins:
        twin = writer.choice(twins)
        asked_for = writer.tensor((len(twin.shape),), "int32", final=True)
        writer.layer("SHAPE", [twin], [asked_for], schema.ShapeOptionsT(outType=2))
        return writer.layer("RESHAPE", [source, asked_for], [writer.after(source, twin.shape)])
    rank = writer.choice((1, 2, 3, 4, 4, 4, 5))
    shape: list[int] = []
    rest = count
    for _ in range(rank - 1):
        factor = writer.choice([n for n in range(1, min(rest, 24) + 1) if rest % n == 0])
        shape.append(factor)
        rest //= factor
    shape.append(rest)
    if rank == 4 and writer.chance(0.8):
        shape = [1, shape[0] * shape[1], *shape[2:]]
    asked = list(shape)
    if writer.chance(0.4):
        asked[writer.integer(0, rank - 1)] = -1
    result = writer.after(source, tuple(shape))
    return writer.layer("RESHAPE", [source, writer.integers(asked)], [result])


def squeeze(writer: GraphWriter, source: Value) -> bool:
    """SQUEEZE of one axis."""
    ones = [axis for axis, n in enumerate(source.shape) if n == 1]
    if source.dtype not in ("int8", "float32") or not ones or len(source.shape) < 2:
        return False
    axis = writer.choice(ones)
    result = writer.after(source, (*source.shape[:axis], *source.shape[axis + 1 :]))
    return writer.layer("SQUEEZE", [source], [result], schema.SqueezeOptionsT(squeezeDims=[axis]))


def expand_dims(writer: GraphWriter, source: Value) -> bool:
    """EXPAND_DIMS."""
    rank = len(source.shape)
    if source.dtype not in MOVABLE or rank > 4:
        return False
    axis = writer.integer(0, rank)
    result = writer.after(source, (*source.shape[:axis], 1, *source.shape[axis:]))
    given = axis - rank - 1 if writer.chance(0.3) else axis
    return writer.layer("EXPAND_DIMS", [source, writer.integers(given)], [result])


def transpose(writer: GraphWriter, source: Value) -> bool:
    """TRANSPOSE."""
    if source.dtype not in MOVABLE:
        return False
    order = [int(axis) for axis in writer.rng.permutation(len(source.shape))]
    result = writer.after(source, tuple(source.shape[axis] for axis in order))
    return writer.layer(
        "TRANSPOSE", [source, writer.integers(order)], [result], schema.TransposeOptionsT()
    )


def concatenate(writer: GraphWriter, source: Value) -> bool:
    """CONCATENATION with what else fits, itself, or a constant."""
    # TFLM joins int16 with zero point 0 alone.
    if source.dtype not in MOVABLE or (source.dtype == "int16" and source.zero_point):
        return False
    axis = writer.integer(0, len(source.shape) - 1)

    def rest(value: Value) -> tuple[int, ...]:
        return (*value.shape[:axis], *value.shape[axis + 1 :])

    fitting = [
        v
        for v in writer.values
        if v.like(source) and len(v.shape) == len(source.shape) and rest(v) == rest(source)
    ]
    joined = [source]
    while len(joined) < 5 and writer.chance(0.7 if len(fitting) > 1 else 0.4):
        joined.insert(writer.integer(0, len(joined)), writer.choice(fitting))
    if writer.chance(0.2):
        joined.append(writer.constant(source))
    length = sum(value.shape[axis] for value in joined)
    shape = (*source.shape[:axis], length, *source.shape[axis + 1 :])
    if not writer.fits(shape):
        return False
    bound = max(value.bound for value in joined)
    result = writer.tensor(
        shape, source.dtype, scale=source.scale, zero_point=source.zero_point, bound=bound
    )
    given = axis - len(shape) if writer.chance(0.3) else axis
    return writer.layer("CONCATENATION", joined, [result], schema.ConcatenationOptionsT(axis=given))


def pack(writer: GraphWriter, source: Value) -> bool:
    """PACK of tensors of one shape."""
    fitting = [v for v in writer.values if v.like(source) and v.shape == source.shape]
    count, axis = writer.integer(1, 3), writer.integer(0, len(source.shape))
    shape = (*source.shape[:axis], count, *source.shape[axis:])
    if source.dtype not in MOVABLE or not writer.fits(shape):
        return False
    joined = [source, *(writer.choice(fitting) for _ in range(count - 1))]
    bound = max(value.bound for value in joined)
    result = writer.tensor(
        shape, source.dtype, scale=source.scale, zero_point=source.zero_point, bound=bound
    )
    return writer.layer("PACK", joined, [result], schema.PackOptionsT(valuesCount=count, axis=axis))


def split(writer: GraphWriter, source: Value) -> bool:
    """SPLIT, SPLIT_V or UNPACK; not every part is read."""
    axis = writer.integer(0, len(source.shape) - 1)
    length = source.shape[axis]
    if source.dtype not in MOVABLE or length > 12:
        return False
    before, after = source.shape[:axis], source.shape[axis + 1 :]
    if length <= 4 and after and writer.chance(0.3):
        parts = [writer.after(source, (*before, *after)) for _ in range(length)]
        return writer.layer("UNPACK", [source], parts, schema.UnpackOptionsT(num=length, axis=axis))
    if writer.chance(0.5):
        count = writer.choice([n for n in range(1, 5) if length % n == 0])
        parts = [writer.after(source, (*before, length // count, *after)) for _ in range(count)]
        options = schema.SplitOptionsT(numSplits=count)
        return writer.layer("SPLIT", [writer.integers(axis), source], parts, options)
    cuts = sorted({0, length, *(writer.integer(0, length) for _ in range(2))})
    sizes = [int(n) for n in np.diff(cuts)]
    parts = [writer.after(source, (*before, n, *after)) for n in sizes]
    inputs: list[Value | int] = [source, writer.integers(sizes), writer.integers(axis)]
    return writer.layer("SPLIT_V", inputs, parts, schema.SplitVOptionsT(numSplits=len(sizes)))


def cut(writer: GraphWriter, source: Value) -> bool:
    """SLICE."""
    if source.dtype not in MOVABLE:
        return False
    begin = [writer.integer(0, (n - 1) // 2) for n in source.shape]
    size = [
        writer.integer((n - b + 1) // 2, n - b) for n, b in zip(source.shape, begin, strict=True)
    ]
    inputs: list[Value | int] = [source, writer.integers(begin), writer.integers(size)]
    result = writer.after(source, tuple(size))
    return writer.layer("SLICE", inputs, [result], schema.SliceOptionsT())


def strided_cut(writer: GraphWriter, source: Value) -> bool:
    """STRIDED_SLICE, backwards too, sometimes of one element along an axis."""
    rank = len(source.shape)
    if source.dtype not in MOVABLE or rank > 4:
        return False
    begin, end, steps, shape = (list[int]() for _ in range(4))
    shrink = 0
    begin_mask, end_mask = (writer.integer(0, (1 << rank) - 1) for _ in range(2))
    for axis, n in enumerate(source.shape):
        if rank > 1 and shape and n < 6 and writer.chance(0.15):
            shrink |= 1 << axis
            at = writer.integer(0, n - 1)
            limits = (at, at + 1, 1)
            begin_mask &= ~(1 << axis)
        else:
            step = writer.choice((1, 1, 1, 2, 3, -1, -2))
            low, high = writer.integer(0, (n - 1) // 2), writer.integer((n + 1) // 2, n)
            limits = (low, high, step) if step > 0 else (high - 1, low - 1 - n, step)
            if step < 0 and low:
                limits = (high - 1, low - 1, step)
            taken = slice(
                None if begin_mask >> axis & 1 else limits[0],
                None if end_mask >> axis & 1 else limits[1],
                step,
            )
            shape.append(len(range(n)[taken]))
        begin.append(limits[0])
        end.append(limits[1])
        steps.append(limits[2])
    if not writer.fits(shape):
        return False
    options = schema.StridedSliceOptionsT(
        beginMask=begin_mask, endMask=end_mask, shrinkAxisMask=shrink
    )
    inputs: list[Value | int] = [
        source,
        *(writer.integers(values) for values in (begin, end, steps)),
    ]
    return writer.layer("STRIDED_SLICE", inputs, [writer.after(source, tuple(shape))], options)


def pad(writer: GraphWriter, source: Value) -> bool:
    """PAD or PADV2, most often of rows and columns alone."""
    rank = len(source.shape)
    if source.dtype not in MOVABLE:
        return False
    amounts = writer.rng.integers(0, 3, (rank, 2))
    if source.is_image and writer.chance(0.8):
        amounts[[0, 3]] = 0
    if source.is_image and writer.chance(0.9):
        amounts[0] = 0
    shape = tuple(int(n + a + b) for n, (a, b) in zip(source.shape, amounts, strict=True))
    if not writer.fits(shape):
        return False
    inputs: list[Value | int] = [source, writer.integers(amounts)]
    result = writer.tensor(
        shape,
        source.dtype,
        scale=source.scale,
        zero_point=source.zero_point,
        bound=max(source.bound, 100.0),
    )
    if writer.chance(0.6):
        return writer.layer("PAD", inputs, [result], schema.PadOptionsT())
    value = source.zero_point if writer.chance(0.5) else writer.integer(-100, 100)
    number = Value(-1, (), source.dtype, source.scale, source.zero_point)
    inputs.append(writer.constant(number, value))
    return writer.layer("PADV2", inputs, [result], schema.PadV2OptionsT())


def gather(writer: GraphWriter, source: Value) -> bool:
    """GATHER."""
    rank = len(source.shape)
    if source.dtype == "int16" or source.dtype not in MOVABLE:
        return False
    axis, count = writer.integer(0, rank - 1), writer.integer(1, 6)
    indices = writer.rng.integers(0, source.shape[axis], count)
    shape = (*source.shape[:axis], count, *source.shape[axis + 1 :])
    if not writer.fits(shape):
        return False
    options = schema.GatherOptionsT(axis=axis)
    inputs: list[Value | int] = [source, writer.integers(indices)]
    return writer.layer("GATHER", inputs, [writer.after(source, shape)], options)


def blocks(writer: GraphWriter, source: Value) -> bool:
    """DEPTH_TO_SPACE or SPACE_TO_DEPTH, whichever fits."""
    if source.dtype not in ("int8", "float32") or len(source.shape) != 4:
        return False
    batch, rows, columns, channels = source.shape
    block = writer.choice((1, 2, 2, 2, 3))
    if channels % block**2 == 0 and writer.chance(0.6):
        shape = (batch, rows * block, columns * block, channels // block**2)
        options: Any = schema.DepthToSpaceOptionsT(blockSize=block)
        return writer.layer("DEPTH_TO_SPACE", [source], [writer.after(source, shape)], options)
    if rows % block or columns % block:
        return False
    shape = (batch, rows // block, columns // block, channels * block**2)
    options = schema.SpaceToDepthOptionsT(blockSize=block)
    return writer.layer("SPACE_TO_DEPTH", [source], [writer.after(source, shape)], options)


def resize(writer: GraphWriter, source: Value) -> bool:
    """RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR, a third by whole factors."""
    if source.dtype not in MOVABLE or len(source.shape) != 4 or source.shape[0] != 1:
        return False
    bilinear = source.dtype == "int8" and writer.chance(0.4)
    batch, rows, columns, channels = source.shape
    size = (writer.integer(1, 16), writer.integer(1, 16))
    if writer.chance(0.35):
        size = (rows * writer.integer(1, 3), columns * writer.integer(1, 3))
    if batch * prod(size) * channels > LARGEST:
        return False
    corners, half = writer.choice(((False, False), (True, False), (False, True)))
    kind = schema.ResizeBilinearOptionsT if bilinear else schema.ResizeNearestNeighborOptionsT
    options = kind(alignCorners=corners, halfPixelCenters=half)
    code = "RESIZE_BILINEAR" if bilinear else "RESIZE_NEAREST_NEIGHBOR"
    result = writer.after(source, (batch, *size, channels))
    return writer.layer(code, [source, writer.integers(size)], [result], options)
