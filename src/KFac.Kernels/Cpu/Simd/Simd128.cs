using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>128-bit vectors without FMA: what every processor has.</summary>
internal readonly unsafe struct Simd128 : ISimd<Vector128<float>>
{
    public static int Count => 4;

    public static Vector128<float> Zero => Vector128<float>.Zero;

    public static Vector128<float> Create(float value) => Vector128.Create(value);

    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    public static void Store(Vector128<float> value, float* destination) => value.Store(destination);

    public static Vector128<float> Add(Vector128<float> left, Vector128<float> right) => left + right;

    public static Vector128<float> Subtract(Vector128<float> left, Vector128<float> right) => left - right;

    public static Vector128<float> Multiply(Vector128<float> left, Vector128<float> right) => left * right;

    public static Vector128<float> Divide(Vector128<float> left, Vector128<float> right) => left / right;

    public static Vector128<float> MultiplyAdd(Vector128<float> left, Vector128<float> right, Vector128<float> addend) =>
        Vector128.Add(Vector128.Multiply(left, right), addend);

    public static Vector128<float> Max(Vector128<float> left, Vector128<float> right) => Vector128.Max(left, right);

    public static Vector128<float> Min(Vector128<float> left, Vector128<float> right) => Vector128.Min(left, right);

    public static Vector128<float> SquareRoot(Vector128<float> value) => Vector128.Sqrt(value);

    public static Vector128<float> Abs(Vector128<float> value) => Vector128.Abs(value);

    public static float Sum(Vector128<float> value) => Vector128.Sum(value);
}
