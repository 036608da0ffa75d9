namespace KFac.Kernels.Cpu;

/// <summary>Vector arithmetic of one width, so that a kernel is written once and compiled for each.</summary>
/// <remarks>
/// A kernel takes two type parameters, <c>TSimd : struct, ISimd&lt;TVector&gt;</c> and <c>TVector</c>; both are structs, so the
/// JIT compiles a copy per width in which every call here is one instruction. A kernel is entered through a switch on
/// <see cref="CpuDevice.Vectors"/>: Portable → <see cref="Simd128"/>, Avx2 → <see cref="Simd256"/>,
/// Avx512 → <see cref="Simd512"/>. Memory need not be aligned.
/// </remarks>
internal unsafe interface ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Elements in a vector.</summary>
    static abstract int Count { get; }

    static abstract TVector Zero { get; }

    /// <summary>All elements equal to <paramref name="value"/>.</summary>
    static abstract TVector Create(float value);

    static abstract TVector Load(float* source);

    static abstract void Store(TVector value, float* destination);

    /// <summary>Stores past the caches; the destination must be aligned to the vector.</summary>
    static abstract void StoreStreaming(TVector value, float* destination);

    static abstract TVector Add(TVector left, TVector right);

    static abstract TVector Subtract(TVector left, TVector right);

    static abstract TVector Multiply(TVector left, TVector right);

    static abstract TVector Divide(TVector left, TVector right);

    /// <summary><c>left·right + addend</c>, rounded once where the width has FMA and twice under Portable.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    /// <summary>The larger element of each pair; NaN where either is.</summary>
    static abstract TVector Max(TVector left, TVector right);

    /// <summary>The smaller element of each pair; NaN where either is.</summary>
    static abstract TVector Min(TVector left, TVector right);

    /// <summary>The larger of each element and the limit, which is a number; NaN stays NaN. Cheaper than <see cref="Max"/>.</summary>
    static abstract TVector AtLeast(TVector value, TVector limit);

    /// <summary>The smaller of each element and the limit, which is a number; NaN stays NaN. Cheaper than <see cref="Min"/>.</summary>
    static abstract TVector AtMost(TVector value, TVector limit);

    static abstract TVector SquareRoot(TVector value);

    static abstract TVector Abs(TVector value);

    /// <summary>The sum of the elements.</summary>
    static abstract float Sum(TVector value);

    /// <summary>The largest element; of NaN among the elements nothing need remain.</summary>
    static abstract float Largest(TVector value);

    /// <summary><c>value² + addend</c> as if the square were not rounded, where the two cancel but for a few units.</summary>
    static abstract TVector SquareAdd(TVector value, TVector addend);

    /// <summary>Four adjacent elements from each of <see cref="Count"/>/4 places that are <paramref name="stride"/> apart.</summary>
    static abstract TVector LoadQuads(float* source, long stride);

    /// <summary>Transposes, in every group of four elements, the 4×4 matrix whose rows are the four vectors.</summary>
    static abstract void TransposeQuads(ref TVector row0, ref TVector row1, ref TVector row2, ref TVector row3);

    /// <summary>The first <paramref name="count"/> elements, 0 to <see cref="Count"/>, then zeros; memory behind them is not read.</summary>
    static abstract TVector LoadPartial(float* source, int count);

    /// <summary>Stores the first <paramref name="count"/> elements and touches nothing behind them.</summary>
    static abstract void StorePartial(TVector value, float* destination, int count);

    /// <summary>All bits set where <c>left &lt; right</c>, none elsewhere and where either is NaN.</summary>
    static abstract TVector Less(TVector left, TVector right);

    /// <summary>All bits set where <c>left ≤ right</c>, none elsewhere and where either is NaN.</summary>
    static abstract TVector LessOrEqual(TVector left, TVector right);

    /// <summary>All bits set where the element is NaN.</summary>
    static abstract TVector IsNaN(TVector value);

    /// <summary>Bits of <paramref name="whenSet"/> where the mask has ones, of <paramref name="whenClear"/> elsewhere.</summary>
    static abstract TVector Select(TVector mask, TVector whenSet, TVector whenClear);

    /// <summary>The nearest whole number, even where two are.</summary>
    static abstract TVector Round(TVector value);

    /// <summary><c>value·2ᵉ</c> for e from −200 to 200 without its fraction, the largest whole number below, subnormal results and overflow included.</summary>
    static abstract TVector Scale(TVector value, TVector exponent);

    /// <summary><c>2^{i/16}</c>, i the whole number in the lowest four bits.</summary>
    static abstract TVector PowerOfSixteenths(TVector bits);

    /// <summary>All elements with the bits of <paramref name="bits"/>.</summary>
    static abstract TVector CreateBits(int bits);

    static abstract TVector And(TVector left, TVector right);

    static abstract TVector Xor(TVector left, TVector right);

    /// <summary>Sum of the bits as 32-bit integers.</summary>
    static abstract TVector AddBits(TVector left, TVector right);

    /// <summary>Difference of the bits as 32-bit integers.</summary>
    static abstract TVector SubtractBits(TVector left, TVector right);

    static abstract TVector ShiftBitsLeft(TVector value, int count);

    /// <summary>Shifts in the sign of each 32-bit integer.</summary>
    static abstract TVector ShiftBitsRight(TVector value, int count);

    /// <summary>Shifts in zeros.</summary>
    static abstract TVector ShiftWordsRight(TVector value, int count);

    /// <summary>The numbers that the bits are as 32-bit integers.</summary>
    static abstract TVector FromInteger(TVector bits);

    /// <summary>All bits set in the first <paramref name="count"/> elements, none in the others.</summary>
    static abstract TVector First(int count);

    /// <summary>Takes elements apart: of every four of <paramref name="left"/> and the four of <paramref name="right"/> beside
    /// them, the even ones and the odd ones. <see cref="Interleave"/> undoes it.</summary>
    static abstract (TVector Even, TVector Odd) Deinterleave(TVector left, TVector right);

    /// <summary>Undoes <see cref="Deinterleave"/>.</summary>
    static abstract (TVector Left, TVector Right) Interleave(TVector even, TVector odd);
}
