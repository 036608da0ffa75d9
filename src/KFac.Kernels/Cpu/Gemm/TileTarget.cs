using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>What bringing a tile's sums to C takes.</summary>
internal enum TileUpdate
{
    /// <summary><c>c ← α·sums</c>.</summary>
    Set,

    /// <summary><c>c ← sums + c</c>.</summary>
    Add,

    /// <summary><c>c ← α·sums + c</c>.</summary>
    AddScaled,

    /// <summary><c>c ← α·sums + β·c</c>.</summary>
    Mix,
}

/// <summary>Where a tile's sums go: <c>C ← α·sums + β·C</c>, with one rounding for each of the three operations but where the
/// width has no fused multiply-add.</summary>
/// <remarks>Products by 1 are left out, which changes no bit: most tiles only add to C, and an addition takes no multiply-add's turn.
/// Which it is is decided once a tile; asking for every vector took two comparisons of numbers each.</remarks>
internal readonly unsafe struct TileTarget
{
    public readonly float Alpha;
    public readonly float Beta;
    public readonly float* C;
    public readonly long Ldc;
    public readonly TileUpdate Update;

    public TileTarget(float alpha, float beta, float* c, long ldc)
        : this(alpha, beta, UpdateOf(alpha, beta), c, ldc)
    {
    }

    private TileTarget(float alpha, float beta, TileUpdate update, float* c, long ldc)
    {
        Alpha = alpha;
        Beta = beta;
        Update = update;
        C = c;
        Ldc = ldc;
    }

    /// <summary>The target of sums that belong to C from (row, column) on.</summary>
    public TileTarget At(int row, int column) => new(Alpha, Beta, Update, C + (row * Ldc) + column, Ldc);

    private static TileUpdate UpdateOf(float alpha, float beta) => beta == 0 ? TileUpdate.Set
        : beta != 1 ? TileUpdate.Mix
        : alpha == 1 ? TileUpdate.Add
        : TileUpdate.AddScaled;
}

/// <summary>One vector of C's new elements, as a constant that the JIT compiles a tile's end for.</summary>
internal unsafe interface ITileUpdate
{
    static abstract TVector Of<TSimd, TVector>(in TileTarget target, TVector sum, float* c)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}

/// <inheritdoc cref="TileUpdate.Set"/>
internal readonly unsafe struct SetTile : ITileUpdate
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TSimd, TVector>(in TileTarget target, TVector sum, float* c)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Multiply(TSimd.Create(target.Alpha), sum);
}

/// <inheritdoc cref="TileUpdate.Add"/>
internal readonly unsafe struct AddTile : ITileUpdate
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TSimd, TVector>(in TileTarget target, TVector sum, float* c)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Add(sum, TSimd.Load(c));
}

/// <inheritdoc cref="TileUpdate.AddScaled"/>
internal readonly unsafe struct AddScaledTile : ITileUpdate
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TSimd, TVector>(in TileTarget target, TVector sum, float* c)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.MultiplyAdd(TSimd.Create(target.Alpha), sum, TSimd.Load(c));
}

/// <inheritdoc cref="TileUpdate.Mix"/>
internal readonly unsafe struct MixTile : ITileUpdate
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TSimd, TVector>(in TileTarget target, TVector sum, float* c)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.MultiplyAdd(
            TSimd.Create(target.Alpha), sum, TSimd.Multiply(TSimd.Create(target.Beta), TSimd.Load(c)));
}
