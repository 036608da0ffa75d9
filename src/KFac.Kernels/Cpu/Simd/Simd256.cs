using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>256-bit vectors with FMA.</summary>
internal readonly unsafe struct Simd256 : ISimd<Vector256<float>>
{
    public static int Count => 8;

    /// <summary>2^{i/16} for i from 0 to 7.</summary>
    public static Vector256<float> FirstSixteenths => Vector256.Create(
        1f, 1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f, 1.29683955f, 1.35425555f);

    /// <summary>2^{i/16} for i from 8 to 15.</summary>
    public static Vector256<float> LastSixteenths => Vector256.Create(
        1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f, 1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f);

    public static Vector256<float> Zero => Vector256<float>.Zero;

    public static Vector256<float> Create(float value) => Vector256.Create(value);

    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    public static void Store(Vector256<float> value, float* destination) => value.Store(destination);

    public static void StoreStreaming(Vector256<float> value, float* destination) => value.StoreAlignedNonTemporal(destination);

    public static Vector256<float> Add(Vector256<float> left, Vector256<float> right) => left + right;

    public static Vector256<float> Subtract(Vector256<float> left, Vector256<float> right) => left - right;

    public static Vector256<float> Multiply(Vector256<float> left, Vector256<float> right) => left * right;

    public static Vector256<float> Divide(Vector256<float> left, Vector256<float> right) => left / right;

    public static Vector256<float> MultiplyAdd(Vector256<float> left, Vector256<float> right, Vector256<float> addend) =>
        Fma.MultiplyAdd(left, right, addend);

    public static Vector256<float> Max(Vector256<float> left, Vector256<float> right) => Vector256.Max(left, right);

    public static Vector256<float> Min(Vector256<float> left, Vector256<float> right) => Vector256.Min(left, right);

    // Where either operand is NaN, the instruction yields the second.
    public static Vector256<float> AtLeast(Vector256<float> value, Vector256<float> limit) => Avx.Max(limit, value);

    public static Vector256<float> AtMost(Vector256<float> value, Vector256<float> limit) => Avx.Min(limit, value);

    public static Vector256<float> SquareRoot(Vector256<float> value) => Vector256.Sqrt(value);

    public static Vector256<float> Abs(Vector256<float> value) => Vector256.Abs(value);

    public static float Sum(Vector256<float> value) => Vector256.Sum(value);

    public static float Largest(Vector256<float> value) => Simd128.Largest(Vector128.MaxNative(value.GetLower(), value.GetUpper()));

    public static Vector256<float> SquareAdd(Vector256<float> value, Vector256<float> addend) =>
        Fma.MultiplyAdd(value, value, addend);

    public static Vector256<float> LoadQuads(float* source, long stride) => Vector256.Create(Vector128.Load(source), Vector128.Load(source + stride));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransposeQuads(
        ref Vector256<float> row0, ref Vector256<float> row1, ref Vector256<float> row2, ref Vector256<float> row3)
    {
        Vector256<double> low01 = Avx.UnpackLow(row0, row1).AsDouble(), high01 = Avx.UnpackHigh(row0, row1).AsDouble();
        Vector256<double> low23 = Avx.UnpackLow(row2, row3).AsDouble(), high23 = Avx.UnpackHigh(row2, row3).AsDouble();
        row0 = Avx.UnpackLow(low01, low23).AsSingle();
        row1 = Avx.UnpackHigh(low01, low23).AsSingle();
        row2 = Avx.UnpackLow(high01, high23).AsSingle();
        row3 = Avx.UnpackHigh(high01, high23).AsSingle();
    }

    public static Vector256<float> LoadPartial(float* source, int count) => Avx.MaskLoad(source, First(count));

    public static void StorePartial(Vector256<float> value, float* destination, int count) =>
        Avx.MaskStore(destination, First(count), value);

    public static Vector256<float> Less(Vector256<float> left, Vector256<float> right) =>
        Vector256.LessThan(left, right);

    public static Vector256<float> LessOrEqual(Vector256<float> left, Vector256<float> right) =>
        Vector256.LessThanOrEqual(left, right);

    public static Vector256<float> IsNaN(Vector256<float> value) => Vector256.IsNaN(value);

    public static Vector256<float> Select(Vector256<float> mask, Vector256<float> whenSet, Vector256<float> whenClear) =>
        Vector256.ConditionalSelect(mask, whenSet, whenClear);

    public static Vector256<float> Round(Vector256<float> value) => Vector256.Round(value);

    public static Vector256<float> Scale(Vector256<float> value, Vector256<float> exponent)
    {
        Vector256<float> half = Vector256.Round(exponent * 0.5f);
        return value * PowerOfTwo(half) * PowerOfTwo(Vector256.Floor(exponent - half));
    }

    public static Vector256<float> PowerOfSixteenths(Vector256<float> bits) => Avx.BlendVariable(
        Avx2.PermuteVar8x32(FirstSixteenths, bits.AsInt32()),
        Avx2.PermuteVar8x32(LastSixteenths, bits.AsInt32()),
        ShiftBitsLeft(bits, 28));

    public static Vector256<float> CreateBits(int bits) => Vector256.Create(bits).AsSingle();

    public static Vector256<float> And(Vector256<float> left, Vector256<float> right) => left & right;

    public static Vector256<float> Xor(Vector256<float> left, Vector256<float> right) => left ^ right;

    public static Vector256<float> AddBits(Vector256<float> left, Vector256<float> right) =>
        (left.AsInt32() + right.AsInt32()).AsSingle();

    public static Vector256<float> SubtractBits(Vector256<float> left, Vector256<float> right) =>
        (left.AsInt32() - right.AsInt32()).AsSingle();

    public static Vector256<float> ShiftBitsLeft(Vector256<float> value, int count) =>
        (value.AsInt32() << count).AsSingle();

    public static Vector256<float> ShiftBitsRight(Vector256<float> value, int count) =>
        (value.AsInt32() >> count).AsSingle();

    public static Vector256<float> ShiftWordsRight(Vector256<float> value, int count) =>
        (value.AsInt32() >>> count).AsSingle();

    public static Vector256<float> FromInteger(Vector256<float> bits) => Vector256.ConvertToSingle(bits.AsInt32());

    public static Vector256<float> First(int count) =>
        Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();

    public static (Vector256<float> Even, Vector256<float> Odd) Deinterleave(Vector256<float> left, Vector256<float> right) =>
        (Avx.Shuffle(left, right, 0b10_00_10_00), Avx.Shuffle(left, right, 0b11_01_11_01));

    public static (Vector256<float> Left, Vector256<float> Right) Interleave(Vector256<float> even, Vector256<float> odd) =>
        (Avx.UnpackLow(even, odd), Avx.UnpackHigh(even, odd));

    private static Vector256<float> PowerOfTwo(Vector256<float> exponent) =>
        ((Vector256.ConvertToInt32(exponent) + Vector256.Create(127)) << 23).AsSingle();
}
