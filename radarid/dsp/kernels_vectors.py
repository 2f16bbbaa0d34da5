"""Vectors of float32, written straight into the LLVM code of a Numba kernel.

The inner part of a kernel is a Python function under `@instruction`. It runs while the kernel is
compiled: a `Vector` stands for a register of `LANES` float32, and `+`, `-`, `*` on it append
instructions. Loops over a butterfly's points are thus unrolled, results that nobody stores cost
nothing, and a product followed by a sum becomes one fused instruction where the machine has it.
(Plain Numba loops leave most of the registers empty: LLVM gives up on transposes and on
straight-line butterflies.)

Nothing is checked: kernels stay inside their arrays, which are contiguous.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, extending, types
from numba.core import cgutils


def _lanes() -> int:
    """float32 in the widest register of this machine, or of the one NUMBA_CPU_FEATURES names."""
    named: str | None = getattr(config, "CPU_FEATURES")  # noqa: B009
    if named is None:
        features = {name for name, has in llvm.get_host_cpu_features().items() if has}
    else:
        features = {name[1:] for name in named.split(",") if name.startswith("+")}
    return 16 if "avx512f" in features else 8 if "avx2" in features else 4


LANES = _lanes()
_INDEX, _FLOAT, _INT = ir.IntType(64), ir.FloatType(), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_FLAGS = ("contract", "nsz")


def instruction(write: Callable[..., None]) -> Any:
    """Let kernels call `write`, which appends its instructions where they do.

    Of a kernel's arguments `write` sees an `Array`, an `Index`, an int where the kernel has a
    constant, or LLVM's value of any other number.
    """

    def typed(typing: Any, *kinds: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pairs = zip(signature.args, values, strict=True)
            write(*(_argument(context, builder, kind, value) for kind, value in pairs))
            return context.get_dummy_value()

        return types.void(*kinds), emit

    shape = inspect.signature(write)
    context = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    setattr(typed, "__signature__",  # noqa: B010
            shape.replace(parameters=[context, *shape.parameters.values()]))  # fmt: skip
    typed.__name__, typed.__doc__ = write.__name__, write.__doc__
    return extending.intrinsic(prefer_literal=True)(typed)


def _argument(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        return Array(builder, context.make_array(kind)(context, builder, value).data)
    if isinstance(kind, types.Literal):
        return kind.literal_value
    if kind in (types.int64, types.uint64):
        return Index(builder, value)
    return value


@dataclass(frozen=True)
class Index:
    """A place in an array, known when the kernel runs."""

    builder: Any
    value: Any

    def __add__(self, other: Index | int) -> Index:
        return Index(self.builder, self.builder.add(self.value, _index(other)))

    def __mul__(self, other: Index | int) -> Index:
        return Index(self.builder, self.builder.mul(self.value, _index(other)))

    def __sub__(self, other: Index) -> Index:
        return Index(self.builder, self.builder.sub(self.value, other.value))

    def __floordiv__(self, other: int) -> Index:
        """Rounded towards 0."""
        return Index(self.builder, self.builder.sdiv(self.value, _index(other)))

    def at_most(self, other: Index) -> Index:
        """The lower of two places."""
        lower = self.builder.icmp_signed("<", self.value, other.value)
        return Index(self.builder, self.builder.select(lower, self.value, other.value))

    @contextmanager
    def times(self) -> Iterator[Index]:
        """Repeat the instructions inside that often; the number of the round, from 0 on.

        LLVM takes long to relate the places of a thousand loads and stores to the round, and to
        each other. It cannot where the number comes out of assembly, of which there is none here.
        """
        with cgutils.for_range(self.builder, self.value) as loop:
            same = ir.FunctionType(_INDEX, [_INDEX])
            number = self.builder.asm(same, "", "=r,0", [loop.index], side_effect=True)
            yield Index(self.builder, number)

    @contextmanager
    def within(self, first: int, last: int) -> Iterator[None]:
        """Leave out the instructions inside unless first <= this <= last."""
        builder = self.builder
        above = builder.icmp_signed(">=", self.value, _index(first))
        below = builder.icmp_signed("<=", self.value, _index(last))
        with builder.if_then(builder.and_(above, below)):
            yield


def _index(place: Index | int) -> Any:
    return place.value if isinstance(place, Index) else ir.Constant(_INDEX, place)


class Vector:
    """A register of LANES float32, or the product of two, computed where it is needed as such.

    A sum takes a product in as its factors, in one instruction where the machine has it, also
    where the product is needed twice.
    """

    def __init__(self, builder: Any, value: Any, factors: tuple[Any, Any] | None = None) -> None:
        self.builder, self.factors, self._value = builder, factors, value

    @property
    def value(self) -> Any:
        """LLVM's value."""
        if self.factors and self._value is None:
            self._value = self.builder.fmul(*self.factors, flags=_FLAGS)
        return self._value

    def __add__(self, other: Vector) -> Vector:
        factors, rest = (self.factors, other) if self.factors else (other.factors, self)
        if factors is None:
            both = self.builder.fadd(self.value, other.value, flags=_FLAGS)
            return Vector(self.builder, both)
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"  # a product and a sum where nothing does it at once
        multiply_add = cgutils.get_or_insert_function(self.builder.module, kind, name)
        both = self.builder.call(multiply_add, [*factors, rest.value], fastmath=_FLAGS)
        return Vector(self.builder, both)

    def __sub__(self, other: Vector) -> Vector:
        return self + -other

    def __neg__(self) -> Vector:
        minus = self.builder.fneg
        if self.factors is None:
            return Vector(self.builder, minus(self.value))
        return Vector(self.builder, None, (minus(self.factors[0]), self.factors[1]))

    def __mul__(self, other: Vector | float) -> Vector:
        factors = self.value, (other if isinstance(other, Vector) else self.all(other)).value
        return Vector(self.builder, None, factors)

    def all(self, number: float) -> Vector:
        """A constant in all lanes; LLVM leaves out what is added to 0 or multiplied by it."""
        return Vector(self.builder, ir.Constant(_FLOATS, [number] * LANES))

    def between(self, first: Index, stop: Index) -> Vector:
        """Zeros in all lanes but those from number `first` up to `stop`."""
        numbers = ir.Constant(_INTS, list(range(LANES)))
        ends = [_everywhere(self.builder, self.builder.trunc(end.value, _INT), _INTS)
                for end in (first, stop)]  # fmt: skip
        above = self.builder.icmp_signed(">=", numbers, ends[0])
        below = self.builder.icmp_signed("<", numbers, ends[1])
        inside = self.builder.and_(above, below)
        return Vector(self.builder, self.builder.select(inside, self.value, self.all(0).value))


@dataclass(frozen=True)
class Array:
    """A contiguous array; places count its elements."""

    builder: Any
    data: Any

    def _at(self, place: Index | int, lanes: Any) -> Any:
        return self.builder.bitcast(
            self.builder.gep(self.data, [_index(place)]), lanes.as_pointer()
        )

    def number(self, place: Index | int) -> Any:
        """One element."""
        return self.builder.load(self.builder.gep(self.data, [_index(place)]))

    def put_number(self, place: Index, number: Any) -> None:
        """Write one element."""
        self.builder.store(number, self.builder.gep(self.data, [_index(place)]))

    def index(self, place: Index | int) -> Index:
        """One element of an int64 array, which is a place in another array."""
        return Index(self.builder, self.number(place))

    def everywhere(self, place: Index | int) -> Vector:
        """One float32 in all lanes."""
        return Vector(self.builder, _everywhere(self.builder, self.number(place), _FLOATS))

    def vector(self, place: Index | int) -> Vector:
        """LANES float32 from a place on."""
        return Vector(self.builder, self.builder.load(self._at(place, _FLOATS), align=4))

    def put(self, place: Index | int, vector: Vector) -> None:
        """Write LANES float32."""
        self.builder.store(vector.value, self._at(place, _FLOATS), align=4)

    def pairs(self, place: Index) -> tuple[Vector, Vector]:
        """LANES complex numbers: their real and their imaginary parts."""
        low, high = self.vector(place), self.vector(place + LANES)
        re, im = ([2 * lane + part for lane in range(LANES)] for part in (0, 1))
        return _shuffled(low, high, re), _shuffled(low, high, im)

    def units(self, place: Index) -> Any:
        """LANES pairs of int16, as int32."""
        return self.builder.load(self._at(place, _INTS), align=2)

    def put_units(self, place: Index, value: Any) -> None:
        """Write LANES int32."""
        self.builder.store(value, self._at(place, _INTS), align=4)

    def words(self, place: Index, up: Any, down: Any) -> Vector:
        """One int16 of LANES pairs: (int32 << up) >> down, whose sign has risen to the top."""
        builder = self.builder
        risen = builder.shl(self.units(place), _everywhere(builder, up, _INTS))
        words = builder.ashr(risen, _everywhere(builder, down, _INTS))
        return Vector(builder, builder.sitofp(words, _FLOATS))


def _everywhere(builder: Any, value: Any, lanes: Any) -> Any:
    none = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(none, value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, none, ir.Constant(_INTS, [0] * LANES))


def _shuffled(low: Vector, high: Vector, order: Sequence[int]) -> Vector:
    """Lanes of two registers in another order; those of `high` count from LANES on."""
    builder = low.builder
    return Vector(builder, builder.shuffle_vector(low.value, high.value, ir.Constant(_INTS, order)))


def _transposed(rows: list[Vector]) -> list[Vector]:
    """LANES registers whose lane k of row j is lane j of row k, in log2(LANES) rounds of swaps."""
    step = 1
    while step < LANES:
        low = [j if not j & step else LANES + j - step for j in range(LANES)]
        high = [j + step if not j & step else LANES + j for j in range(LANES)]
        swapped = list(rows)
        for j in range(LANES):
            if not j & step:
                pair = rows[j], rows[j + step]
                swapped[j], swapped[j + step] = _shuffled(*pair, low), _shuffled(*pair, high)
        rows, step = swapped, 2 * step
    return rows


def _rounds(n: Index, step: int) -> Index:
    return (n + (step - 1)) // step


@instruction
def fetch(array: Array, place: Index, n: Index) -> None:
    """Bring the cache lines of n elements, which will be needed soon, to the second cache."""
    builder, number = array.builder, ir.IntType(32)
    for_reading, second_cache, data = (ir.Constant(number, k) for k in (0, 2, 1))
    with _rounds(n, 16).times() as line:
        pointer = builder.gep(array.data, [(place + line * 16).value])
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(prefetch, [pointer, for_reading, second_cache, data])


@instruction
def add_to(total: Array, at: Index, values: Array, place: Index, n: Index) -> None:
    """Add n float32, from a place on, to those of another array."""
    whole = n // LANES
    with whole.times() as block:
        here, there = place + block * LANES, block * LANES + at
        total.put(there, total.vector(there) + values.vector(here))
    with (n - whole * LANES).times() as more:
        number = whole * LANES + more
        old, new = total.number(number + at), values.number(place + number)
        total.put_number(number + at, total.builder.fadd(old, new))


@instruction
def add_moments(
    total: Array, squares: Array, values: Array, place: Index, origin: Index, n: Index
) -> None:
    """Add n float32, less those at `origin`, to totals, and the squares of that to others."""
    whole = n // LANES
    with whole.times() as block:
        k = block * LANES
        away = values.vector(place + k) - values.vector(origin + k)
        total.put(k, total.vector(k) + away)
        squares.put(k, squares.vector(k) + away * away)
    with (n - whole * LANES).times() as more:
        k, builder = whole * LANES + more, total.builder
        away = builder.fsub(values.number(place + k), values.number(origin + k))
        total.put_number(k, builder.fadd(total.number(k), away))
        square = builder.fmul(away, away)
        squares.put_number(k, builder.fadd(squares.number(k), square))


@instruction
def transpose_in(
    words: Array, first: Index, n: Index, last: Index, stride: Index, units: Array
) -> None:
    """Pairs of int16, n of each of LANES rows, `stride` words apart, to registers in `units`.

    Row 0 has them from word `first` on, and goes on for LANES pairs after its pair `last`.
    """
    with _rounds(n, LANES).times() as block:
        pair = (block * LANES).at_most(last)
        place = first + pair * 2
        rows = [Vector(words.builder, words.units(place + stride * row)) for row in range(LANES)]
        for number, row in enumerate(_transposed(rows)):
            units.put_units((pair + number) * LANES, row.value)


@instruction
def transpose_out(
    spectra: Array, first: Index, n: Index, out: Array, place: Index, stride: Index
) -> None:
    """Complex registers (see `kernels_lanes`) of n bins to LANES rows of complex numbers.

    Row k, `stride` floats after row k - 1, gets lane k of every register.
    """
    with (n // LANES).times() as block:
        pair = first + block * (2 * LANES * LANES)
        numbers = [spectra.vector(pair + k * LANES) for k in range(2 * LANES)]
        parts = [_transposed(numbers[part::2]) for part in (0, 1)]
        for half in (0, LANES // 2):
            order = [half + j // 2 + (j % 2) * LANES for j in range(LANES)]
            for row in range(LANES):
                both = _shuffled(parts[0][row], parts[1][row], order)
                out.put(place + block * (2 * LANES) + stride * row + 2 * half, both)
    whole = n // LANES * LANES
    with (n - whole).times() as more, Index(n.builder, _index(LANES)).times() as lane:
        b = whole + more
        source, target = first + b * (2 * LANES) + lane, place + b * 2 + stride * lane
        for part in (0, 1):
            out.put_number(target + part, spectra.number(source + part * LANES))


@instruction
def sum_lanes(vectors: Array, sums: Array, n: Index) -> None:
    """Sums over the lanes of n registers, as n float32; lane by lane, in their order."""
    with (n // LANES).times() as block:
        first = block * (LANES * LANES)
        rows = _transposed([vectors.vector(first + k * LANES) for k in range(LANES)])
        total = rows[0]
        for row in rows[1:]:
            total = total + row
        sums.put(block * LANES, total)
