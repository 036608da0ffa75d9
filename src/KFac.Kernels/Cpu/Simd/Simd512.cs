using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>512-bit vectors with FMA.</summary>
internal readonly unsafe struct Simd512 : ISimd<Vector512<float>>
{
    public static int Count => 16;

    public static Vector512<float> Zero => Vector512<float>.Zero;

    public static Vector512<float> Create(float value) => Vector512.Create(value);

    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    public static void Store(Vector512<float> value, float* destination) => value.Store(destination);

    public static void StoreStreaming(Vector512<float> value, float* destination) => value.StoreAlignedNonTemporal(destination);

    public static Vector512<float> Add(Vector512<float> left, Vector512<float> right) => left + right;

    public static Vector512<float> Subtract(Vector512<float> left, Vector512<float> right) => left - right;

    public static Vector512<float> Multiply(Vector512<float> left, Vector512<float> right) => left * right;

    public static Vector512<float> Divide(Vector512<float> left, Vector512<float> right) => left / right;

    public static Vector512<float> MultiplyAdd(Vector512<float> left, Vector512<float> right, Vector512<float> addend) =>
        Avx512F.FusedMultiplyAdd(left, right, addend);

    public static Vector512<float> Max(Vector512<float> left, Vector512<float> right) => Vector512.Max(left, right);

    public static Vector512<float> Min(Vector512<float> left, Vector512<float> right) => Vector512.Min(left, right);

    // Where either operand is NaN, the instruction yields the second.
    public static Vector512<float> AtLeast(Vector512<float> value, Vector512<float> limit) => Avx512F.Max(limit, value);

    public static Vector512<float> AtMost(Vector512<float> value, Vector512<float> limit) => Avx512F.Min(limit, value);

    public static Vector512<float> SquareRoot(Vector512<float> value) => Vector512.Sqrt(value);

    public static Vector512<float> Abs(Vector512<float> value) => Vector512.Abs(value);

    public static float Sum(Vector512<float> value) => Vector512.Sum(value);

    public static float Largest(Vector512<float> value) => Simd256.Largest(Vector256.MaxNative(value.GetLower(), value.GetUpper()));

    public static Vector512<float> SquareAdd(Vector512<float> value, Vector512<float> addend) =>
        Avx512F.FusedMultiplyAdd(value, value, addend);

    public static Vector512<float> LoadQuads(float* source, long stride) => Vector512.Create(
        Simd256.LoadQuads(source, stride), Simd256.LoadQuads(source + (2 * stride), stride));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransposeQuads(
        ref Vector512<float> row0, ref Vector512<float> row1, ref Vector512<float> row2, ref Vector512<float> row3)
    {
        Vector512<double> low01 = Avx512F.UnpackLow(row0, row1).AsDouble(), high01 = Avx512F.UnpackHigh(row0, row1).AsDouble();
        Vector512<double> low23 = Avx512F.UnpackLow(row2, row3).AsDouble(), high23 = Avx512F.UnpackHigh(row2, row3).AsDouble();
        row0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        row1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        row2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        row3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    public static Vector512<float> LoadPartial(float* source, int count) => Avx512F.MaskLoad(source, First(count), Zero);

    public static void StorePartial(Vector512<float> value, float* destination, int count) =>
        Avx512F.MaskStore(destination, First(count), value);

    public static Vector512<float> Less(Vector512<float> left, Vector512<float> right) =>
        Vector512.LessThan(left, right);

    public static Vector512<float> LessOrEqual(Vector512<float> left, Vector512<float> right) =>
        Vector512.LessThanOrEqual(left, right);

    public static Vector512<float> IsNaN(Vector512<float> value) => Vector512.IsNaN(value);

    public static Vector512<float> Select(Vector512<float> mask, Vector512<float> whenSet, Vector512<float> whenClear) =>
        Vector512.ConditionalSelect(mask, whenSet, whenClear);

    public static Vector512<float> Round(Vector512<float> value) => Vector512.Round(value);

    public static Vector512<float> Scale(Vector512<float> value, Vector512<float> exponent) =>
        Avx512F.Scale(value, exponent);

    public static Vector512<float> PowerOfSixteenths(Vector512<float> bits) =>
        Avx512F.PermuteVar16x32(Vector512.Create(Simd256.FirstSixteenths, Simd256.LastSixteenths), bits.AsInt32());

    public static Vector512<float> CreateBits(int bits) => Vector512.Create(bits).AsSingle();

    public static Vector512<float> And(Vector512<float> left, Vector512<float> right) => left & right;

    public static Vector512<float> Xor(Vector512<float> left, Vector512<float> right) => left ^ right;

    public static Vector512<float> AddBits(Vector512<float> left, Vector512<float> right) =>
        (left.AsInt32() + right.AsInt32()).AsSingle();

    public static Vector512<float> SubtractBits(Vector512<float> left, Vector512<float> right) =>
        (left.AsInt32() - right.AsInt32()).AsSingle();

    public static Vector512<float> ShiftBitsLeft(Vector512<float> value, int count) =>
        (value.AsInt32() << count).AsSingle();

    public static Vector512<float> ShiftBitsRight(Vector512<float> value, int count) =>
        (value.AsInt32() >> count).AsSingle();

    public static Vector512<float> ShiftWordsRight(Vector512<float> value, int count) =>
        (value.AsInt32() >>> count).AsSingle();

    public static Vector512<float> FromInteger(Vector512<float> bits) => Vector512.ConvertToSingle(bits.AsInt32());

    public static Vector512<float> First(int count) =>
        Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();

    public static (Vector512<float> Even, Vector512<float> Odd) Deinterleave(Vector512<float> left, Vector512<float> right) =>
        (Avx512F.Shuffle(left, right, 0b10_00_10_00), Avx512F.Shuffle(left, right, 0b11_01_11_01));

    public static (Vector512<float> Left, Vector512<float> Right) Interleave(Vector512<float> even, Vector512<float> odd) =>
        (Avx512F.UnpackLow(even, odd), Avx512F.UnpackHigh(even, odd));
}
