using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>128-bit vectors without FMA: what every processor has.</summary>
internal readonly unsafe struct Simd128 : ISimd<Vector128<float>>
{
    public static int Count => 4;

    public static Vector128<float> Zero => Vector128<float>.Zero;

    public static Vector128<float> Create(float value) => Vector128.Create(value);

    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    public static void Store(Vector128<float> value, float* destination) => value.Store(destination);

    public static void StoreStreaming(Vector128<float> value, float* destination) => value.StoreAlignedNonTemporal(destination);

    public static Vector128<float> Add(Vector128<float> left, Vector128<float> right) => left + right;

    public static Vector128<float> Subtract(Vector128<float> left, Vector128<float> right) => left - right;

    public static Vector128<float> Multiply(Vector128<float> left, Vector128<float> right) => left * right;

    public static Vector128<float> Divide(Vector128<float> left, Vector128<float> right) => left / right;

    public static Vector128<float> MultiplyAdd(Vector128<float> left, Vector128<float> right, Vector128<float> addend) =>
        Vector128.Add(Vector128.Multiply(left, right), addend);

    public static Vector128<float> Max(Vector128<float> left, Vector128<float> right) => Vector128.Max(left, right);

    public static Vector128<float> Min(Vector128<float> left, Vector128<float> right) => Vector128.Min(left, right);

    // Where either operand is NaN, the instruction yields the second.
    public static Vector128<float> AtLeast(Vector128<float> value, Vector128<float> limit) => Vector128.MaxNative(limit, value);

    public static Vector128<float> AtMost(Vector128<float> value, Vector128<float> limit) => Vector128.MinNative(limit, value);

    public static Vector128<float> SquareRoot(Vector128<float> value) => Vector128.Sqrt(value);

    public static Vector128<float> Abs(Vector128<float> value) => Vector128.Abs(value);

    public static float Sum(Vector128<float> value) => Vector128.Sum(value);

    public static float Largest(Vector128<float> value)
    {
        Vector128<float> pairs = Vector128.MaxNative(value, Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(pairs, Vector128.Shuffle(pairs, Vector128.Create(1, 0, 3, 2)))[0];
    }

    // Without FMA: the upper half of the mantissa squares exactly, and the rest is a product of two short numbers.
    public static Vector128<float> SquareAdd(Vector128<float> value, Vector128<float> addend)
    {
        const int UpperHalfOfMantissa = unchecked((int)0xFFFFF000);
        Vector128<float> upper = value & Vector128.Create(UpperHalfOfMantissa).AsSingle();
        return ((upper * upper) + addend) + ((value - upper) * (value + upper));
    }

    public static Vector128<float> LoadQuads(float* source, long stride) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransposeQuads(
        ref Vector128<float> row0, ref Vector128<float> row1, ref Vector128<float> row2, ref Vector128<float> row3)
    {
        if (Sse.IsSupported)
        {
            Vector128<float> low01 = Sse.UnpackLow(row0, row1), high01 = Sse.UnpackHigh(row0, row1);
            Vector128<float> low23 = Sse.UnpackLow(row2, row3), high23 = Sse.UnpackHigh(row2, row3);
            row0 = Sse.MoveLowToHigh(low01, low23);
            row1 = Sse.MoveHighToLow(low23, low01);
            row2 = Sse.MoveLowToHigh(high01, high23);
            row3 = Sse.MoveHighToLow(high23, high01);
        }
        else
        {
            (Vector128<float> old0, Vector128<float> old1, Vector128<float> old2, Vector128<float> old3) = (row0, row1, row2, row3);
            row0 = Vector128.Create(old0[0], old1[0], old2[0], old3[0]);
            row1 = Vector128.Create(old0[1], old1[1], old2[1], old3[1]);
            row2 = Vector128.Create(old0[2], old1[2], old2[2], old3[2]);
            row3 = Vector128.Create(old0[3], old1[3], old2[3], old3[3]);
        }
    }

    public static Vector128<float> LoadPartial(float* source, int count)
    {
        Vector128<float> value = default;
        for (int i = 0; i < count; i++)
        {
            ((float*)&value)[i] = source[i];
        }

        return value;
    }

    public static void StorePartial(Vector128<float> value, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
        {
            destination[i] = ((float*)&value)[i];
        }
    }

    public static Vector128<float> Less(Vector128<float> left, Vector128<float> right) =>
        Vector128.LessThan(left, right);

    public static Vector128<float> LessOrEqual(Vector128<float> left, Vector128<float> right) =>
        Vector128.LessThanOrEqual(left, right);

    public static Vector128<float> IsNaN(Vector128<float> value) => Vector128.IsNaN(value);

    public static Vector128<float> Select(Vector128<float> mask, Vector128<float> whenSet, Vector128<float> whenClear) =>
        Vector128.ConditionalSelect(mask, whenSet, whenClear);

    public static Vector128<float> Round(Vector128<float> value) => Vector128.Round(value);

    public static Vector128<float> Scale(Vector128<float> value, Vector128<float> exponent)
    {
        Vector128<float> half = Vector128.Round(exponent * 0.5f);
        return value * PowerOfTwo(half) * PowerOfTwo(Vector128.Floor(exponent - half));
    }

    public static Vector128<float> PowerOfSixteenths(Vector128<float> bits)
    {
        Vector128<int> index = bits.AsInt32() & Vector128.Create(15);
        return Vector128.Create(Sixteenths[index[0]], Sixteenths[index[1]], Sixteenths[index[2]], Sixteenths[index[3]]);
    }

    public static Vector128<float> CreateBits(int bits) => Vector128.Create(bits).AsSingle();

    public static Vector128<float> And(Vector128<float> left, Vector128<float> right) => left & right;

    public static Vector128<float> Xor(Vector128<float> left, Vector128<float> right) => left ^ right;

    public static Vector128<float> AddBits(Vector128<float> left, Vector128<float> right) =>
        (left.AsInt32() + right.AsInt32()).AsSingle();

    public static Vector128<float> SubtractBits(Vector128<float> left, Vector128<float> right) =>
        (left.AsInt32() - right.AsInt32()).AsSingle();

    public static Vector128<float> ShiftBitsLeft(Vector128<float> value, int count) =>
        (value.AsInt32() << count).AsSingle();

    public static Vector128<float> ShiftBitsRight(Vector128<float> value, int count) =>
        (value.AsInt32() >> count).AsSingle();

    public static Vector128<float> ShiftWordsRight(Vector128<float> value, int count) =>
        (value.AsInt32() >>> count).AsSingle();

    public static Vector128<float> FromInteger(Vector128<float> bits) => Vector128.ConvertToSingle(bits.AsInt32());

    public static Vector128<float> First(int count) =>
        Vector128.LessThan(Vector128<int>.Indices, Vector128.Create(count)).AsSingle();

    public static (Vector128<float> Even, Vector128<float> Odd) Deinterleave(Vector128<float> left, Vector128<float> right) =>
        (Vector128.Create(left[0], left[2], right[0], right[2]), Vector128.Create(left[1], left[3], right[1], right[3]));

    public static (Vector128<float> Left, Vector128<float> Right) Interleave(Vector128<float> even, Vector128<float> odd) =>
        (Vector128.Create(even[0], odd[0], even[1], odd[1]), Vector128.Create(even[2], odd[2], even[3], odd[3]));

    private static ReadOnlySpan<float> Sixteenths =>
    [
        1f, 1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f, 1.29683955f, 1.35425555f,
        1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f, 1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f,
    ];

    private static Vector128<float> PowerOfTwo(Vector128<float> exponent) =>
        ((Vector128.ConvertToInt32(exponent) + Vector128.Create(127)) << 23).AsSingle();
}
