using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>A vector of complex numbers, one for each of some channels.</summary>
internal readonly unsafe struct Wave<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public readonly TVector Re;
    public readonly TVector Im;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Wave(TVector re, TVector im)
    {
        Re = re;
        Im = im;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wave<TSimd, TVector> Load(float* source, long imaginary) => new(TSimd.Load(source), TSimd.Load(source + imaginary));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target, long imaginary)
    {
        TSimd.Store(Re, target);
        TSimd.Store(Im, target + imaginary);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wave<TSimd, TVector> operator +(Wave<TSimd, TVector> left, Wave<TSimd, TVector> right) =>
        new(TSimd.Add(left.Re, right.Re), TSimd.Add(left.Im, right.Im));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wave<TSimd, TVector> operator -(Wave<TSimd, TVector> left, Wave<TSimd, TVector> right) =>
        new(TSimd.Subtract(left.Re, right.Re), TSimd.Subtract(left.Im, right.Im));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Wave<TSimd, TVector> operator *(float factor, Wave<TSimd, TVector> wave) =>
        new(TSimd.Multiply(TSimd.Create(factor), wave.Re), TSimd.Multiply(TSimd.Create(factor), wave.Im));

    /// <summary>This and <paramref name="factor"/> times another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Wave<TSimd, TVector> Add(float factor, Wave<TSimd, TVector> other) =>
        new(TSimd.MultiplyAdd(TSimd.Create(factor), other.Re, Re), TSimd.MultiplyAdd(TSimd.Create(factor), other.Im, Im));

    /// <summary>This and i times another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Wave<TSimd, TVector> AddTurned(Wave<TSimd, TVector> other) =>
        new(TSimd.Subtract(Re, other.Im), TSimd.Add(Im, other.Re));

    /// <summary>This less i times another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Wave<TSimd, TVector> SubtractTurned(Wave<TSimd, TVector> other) =>
        new(TSimd.Add(Re, other.Im), TSimd.Subtract(Im, other.Re));

    /// <summary>This times <c>cosine − i·sine</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Wave<TSimd, TVector> Turn(float cosine, float sine) => new(
        TSimd.MultiplyAdd(TSimd.Create(sine), Im, TSimd.Multiply(TSimd.Create(cosine), Re)),
        TSimd.MultiplyAdd(TSimd.Create(-sine), Re, TSimd.Multiply(TSimd.Create(cosine), Im)));
}
