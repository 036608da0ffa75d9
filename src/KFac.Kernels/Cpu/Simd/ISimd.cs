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

    static abstract TVector SquareRoot(TVector value);

    static abstract TVector Abs(TVector value);

    /// <summary>The sum of the elements.</summary>
    static abstract float Sum(TVector value);

    /// <summary>Four adjacent elements from each of <see cref="Count"/>/4 places that are <paramref name="stride"/> apart.</summary>
    static abstract TVector LoadQuads(float* source, long stride);

    /// <summary>Transposes, in every group of four elements, the 4×4 matrix whose rows are the four vectors.</summary>
    static abstract void TransposeQuads(ref TVector row0, ref TVector row1, ref TVector row2, ref TVector row3);
}
