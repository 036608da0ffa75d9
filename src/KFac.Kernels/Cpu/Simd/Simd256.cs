using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>256-bit vectors with FMA.</summary>
internal readonly unsafe struct Simd256 : ISimd<Vector256<float>>
{
    public static int Count => 8;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    public static Vector256<float> Create(float value) => Vector256.Create(value);

    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    public static void Store(Vector256<float> value, float* destination) => value.Store(destination);

    public static Vector256<float> Add(Vector256<float> left, Vector256<float> right) => left + right;

    public static Vector256<float> Subtract(Vector256<float> left, Vector256<float> right) => left - right;

    public static Vector256<float> Multiply(Vector256<float> left, Vector256<float> right) => left * right;

    public static Vector256<float> Divide(Vector256<float> left, Vector256<float> right) => left / right;

    public static Vector256<float> MultiplyAdd(Vector256<float> left, Vector256<float> right, Vector256<float> addend) =>
        Fma.MultiplyAdd(left, right, addend);

    public static Vector256<float> Max(Vector256<float> left, Vector256<float> right) => Vector256.Max(left, right);

    public static Vector256<float> Min(Vector256<float> left, Vector256<float> right) => Vector256.Min(left, right);

    public static Vector256<float> SquareRoot(Vector256<float> value) => Vector256.Sqrt(value);

    public static Vector256<float> Abs(Vector256<float> value) => Vector256.Abs(value);

    public static float Sum(Vector256<float> value) => Vector256.Sum(value);

    public static Vector256<float> LoadQuads(float* source, long stride) => Vector256.Create(Vector128.Load(source), Vector128.Load(source + stride));

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
}
