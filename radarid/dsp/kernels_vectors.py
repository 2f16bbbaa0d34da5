"""A small vocabulary of vectors for Numba kernels, written out as LLVM vector instructions.

A vector is `LANES` float32, or as many int32: what one register of this machine holds. `+`, `-`
and `*` work on float vectors; a product followed by a sum becomes one fused instruction where the
machine has it. Loads and stores take a contiguous 1-D array and the index of the first element;
nothing is checked, so kernels must stay inside their arrays.

Plain Numba loops leave most of the registers empty here: LLVM gives up on the transposes and on
straight-line butterflies. These functions write out the instructions that are wanted; they compile
only inside Numba functions (not with NUMBA_DISABLE_JIT=1).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, extending, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model


def _lanes() -> int:
    """float32 in the widest register of this machine, or of the one NUMBA_CPU_FEATURES names."""
    named: str | None = getattr(config, "CPU_FEATURES")  # noqa: B009
    if named is None:
        features = {name for name, has in llvm.get_host_cpu_features().items() if has}
    else:
        features = {name[1:] for name in named.split(",") if name.startswith("+")}
    return 16 if "avx512f" in features else 8 if "avx2" in features else 4


LANES = _lanes()
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_FLAGS = ("contract",)
intrinsic: Any = extending.intrinsic


class _Vector(types.Type):
    def __init__(self, name: str, lanes: ir.Type) -> None:
        super().__init__(name=f"{name}x{LANES}")
        self.lanes = lanes


class _FloatVector(_Vector):
    def __init__(self) -> None:
        super().__init__("float32", _FLOATS)


class _IntVector(_Vector):
    def __init__(self) -> None:
        super().__init__("int32", _INTS)


floats, ints = _FloatVector(), _IntVector()


@register_model(_FloatVector)
@register_model(_IntVector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, kind.lanes)


def _arithmetic(operation: Callable[..., Any], instruction: str) -> None:
    @infer_global(operation)
    class _Template(AbstractTemplate):
        key = operation

        def generic(self, args: Any, kws: Any) -> Any:
            return signature(floats, floats, floats) if args == (floats, floats) else None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FLAGS)

    lower_builtin(operation, floats, floats)(emit)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any, lanes: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), lanes.as_pointer())


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Elements index, index + 1, ... of a float32 array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, sig.args[0], args[0], args[1], _FLOATS)
        return builder.load(place, align=4)

    return floats(array, types.intp), emit


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a float vector to elements index, index + 1, ..."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, sig.args[0], args[0], args[1], _FLOATS)
        builder.store(args[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, floats), emit


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """A float32 in every lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[0], _FLOATS)

    return floats(types.float32), emit


def _splat(builder: Any, value: Any, lanes: Any) -> Any:
    none = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, none, ir.Constant(_INTS, [0] * LANES))


@intrinsic
def load_half(typing: Any, units: Any, index: Any, up: Any, down: Any) -> Any:
    """(int32 << up) >> down of every lane, with the sign that rises to the top, as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        units, index, up, down = args
        place = _place(context, builder, sig.args[0], units, index, _INTS)
        risen = builder.shl(builder.load(place, align=4), _splat(builder, up, _INTS))
        return builder.sitofp(builder.ashr(risen, _splat(builder, down, _INTS)), _FLOATS)

    return floats(units, types.intp, types.int32, types.int32), emit


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """LANES vectors whose lane k of row j is lane j of row k, in log2(LANES) rounds of swaps."""
    step = 1
    while step < LANES:
        low = [j if not j & step else LANES + j - step for j in range(LANES)]
        high = [j + step if not j & step else LANES + j for j in range(LANES)]
        swapped = list(rows)
        for j in range(LANES):
            if not j & step:
                pair = rows[j], rows[j + step]
                swapped[j] = builder.shuffle_vector(*pair, ir.Constant(_INTS, low))
                swapped[j + step] = builder.shuffle_vector(*pair, ir.Constant(_INTS, high))
        rows, step = swapped, 2 * step
    return rows


@intrinsic
def transpose_in(typing: Any, words: Any, index: Any, stride: Any, units: Any, place: Any) -> Any:
    """Pairs of int16 of LANES rows, `stride` words apart, to LANES consecutive int32 vectors."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, stride, units, place = args
        rows = []
        for _ in range(LANES):
            source = _place(context, builder, sig.args[0], array, index, _INTS)
            rows.append(builder.load(source, align=2))
            index = builder.add(index, stride)
        for row in _transposed(builder, rows):
            target = _place(context, builder, sig.args[3], units, place, _INTS)
            builder.store(row, target, align=4)
            place = builder.add(place, ir.Constant(place.type, LANES))
        return context.get_dummy_value()

    return types.void(words, types.intp, types.intp, units, types.intp), emit


@intrinsic
def transpose_out(
    typing: Any, re: Any, im: Any, index: Any, out: Any, place: Any, stride: Any
) -> Any:
    """LANES vectors of real and of imaginary parts to LANES rows of complex numbers in `out`.

    Row k, `stride` floats after row k - 1, gets lane k of every vector.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        re, im, index, out, place, stride = args
        parts: list[list[Any]] = []
        for position, array in enumerate((re, im)):
            at, rows = index, []
            for _ in range(LANES):
                source = _place(context, builder, sig.args[position], array, at, _FLOATS)
                rows.append(builder.load(source, align=4))
                at = builder.add(at, ir.Constant(at.type, LANES))
            parts.append(_transposed(builder, rows))
        for half in (0, 1):
            order = [j // 2 + half * LANES // 2 + (j % 2) * LANES for j in range(LANES)]
            at = builder.add(place, ir.Constant(place.type, half * LANES))
            for row in zip(*parts, strict=True):
                both = builder.shuffle_vector(*row, ir.Constant(_INTS, order))
                target = _place(context, builder, sig.args[3], out, at, _FLOATS)
                builder.store(both, target, align=4)
                at = builder.add(at, stride)
        return context.get_dummy_value()

    return types.void(re, im, types.intp, out, types.intp, types.intp), emit


@intrinsic
def lane_sum(typing: Any, vector: Any) -> Any:
    """Sum of the lanes, in pairs of pairs."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total, step = args[0], LANES // 2
        while step:
            order = [(j + step) % LANES for j in range(LANES)]
            other = builder.shuffle_vector(total, total, ir.Constant(_INTS, order))
            total = builder.fadd(total, other)
            step //= 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(floats), emit


@intrinsic
def load_complex(typing: Any, array: Any, index: Any) -> Any:
    """LANES complex numbers from element `index` of a float32 array on: real, imaginary parts."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index = args
        low = _place(context, builder, sig.args[0], array, index, _FLOATS)
        index = builder.add(index, ir.Constant(index.type, LANES))
        high = _place(context, builder, sig.args[0], array, index, _FLOATS)
        pair = builder.load(low, align=4), builder.load(high, align=4)
        orders = ([2 * j + which for j in range(LANES)] for which in (0, 1))
        parts = [builder.shuffle_vector(*pair, ir.Constant(_INTS, order)) for order in orders]
        return context.make_tuple(builder, sig.return_type, parts)

    return types.UniTuple(floats, 2)(array, types.intp), emit
