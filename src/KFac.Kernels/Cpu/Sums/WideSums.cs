using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Sixteen float64 sums of float32 numbers: the same sums, to the bit, whatever the vectors' width.</summary>
/// <remarks>A product of two float32 numbers is exact in float64, so a fused product would not change a bit either.</remarks>
internal unsafe interface IWideSums<TSelf>
    where TSelf : unmanaged, IWideSums<TSelf>
{
    /// <summary>Sums.</summary>
    const int Count = 16;

    /// <summary><c>sums ← sums + x</c> for sixteen elements.</summary>
    static abstract void Add(ref TSelf sums, float* x);

    /// <summary><c>sums ← sums + x∘y</c> for sixteen elements.</summary>
    static abstract void AddProduct(ref TSelf sums, float* x, float* y);

    /// <summary><c>sums ← sums + x</c> and <c>squares ← squares + x²</c> for sixteen elements.</summary>
    static abstract void AddSquare(ref TSelf sums, ref TSelf squares, float* x);

    /// <summary><c>sums ← sums + h</c> and <c>products ← products + h∘x</c> for sixteen elements, with <c>h = gain∘y</c> in float32.</summary>
    static abstract void AddScaled(ref TSelf sums, ref TSelf products, float* gain, float* y, float* x);
}

/// <summary>In 128-bit vectors.</summary>
internal unsafe struct WideSums128 : IWideSums<WideSums128>
{
    private Vector128<double> _s0, _s1, _s2, _s3, _s4, _s5, _s6, _s7;

    public static void Add(ref WideSums128 sums, float* x)
    {
        Add(ref sums._s0, ref sums._s1, Vector128.Load(x));
        Add(ref sums._s2, ref sums._s3, Vector128.Load(x + 4));
        Add(ref sums._s4, ref sums._s5, Vector128.Load(x + 8));
        Add(ref sums._s6, ref sums._s7, Vector128.Load(x + 12));
    }

    public static void AddProduct(ref WideSums128 sums, float* x, float* y)
    {
        AddProduct(ref sums._s0, ref sums._s1, Vector128.Load(x), Vector128.Load(y));
        AddProduct(ref sums._s2, ref sums._s3, Vector128.Load(x + 4), Vector128.Load(y + 4));
        AddProduct(ref sums._s4, ref sums._s5, Vector128.Load(x + 8), Vector128.Load(y + 8));
        AddProduct(ref sums._s6, ref sums._s7, Vector128.Load(x + 12), Vector128.Load(y + 12));
    }

    public static void AddSquare(ref WideSums128 sums, ref WideSums128 squares, float* x)
    {
        AddBoth(ref sums._s0, ref sums._s1, ref squares._s0, ref squares._s1, Vector128.Load(x), Vector128.Load(x));
        AddBoth(ref sums._s2, ref sums._s3, ref squares._s2, ref squares._s3, Vector128.Load(x + 4), Vector128.Load(x + 4));
        AddBoth(ref sums._s4, ref sums._s5, ref squares._s4, ref squares._s5, Vector128.Load(x + 8), Vector128.Load(x + 8));
        AddBoth(ref sums._s6, ref sums._s7, ref squares._s6, ref squares._s7, Vector128.Load(x + 12), Vector128.Load(x + 12));
    }

    public static void AddScaled(ref WideSums128 sums, ref WideSums128 products, float* gain, float* y, float* x)
    {
        AddBoth(ref sums._s0, ref sums._s1, ref products._s0, ref products._s1, Vector128.Load(gain) * Vector128.Load(y), Vector128.Load(x));
        AddBoth(ref sums._s2, ref sums._s3, ref products._s2, ref products._s3, Vector128.Load(gain + 4) * Vector128.Load(y + 4), Vector128.Load(x + 4));
        AddBoth(ref sums._s4, ref sums._s5, ref products._s4, ref products._s5, Vector128.Load(gain + 8) * Vector128.Load(y + 8), Vector128.Load(x + 8));
        AddBoth(ref sums._s6, ref sums._s7, ref products._s6, ref products._s7, Vector128.Load(gain + 12) * Vector128.Load(y + 12), Vector128.Load(x + 12));
    }

    private static void Add(ref Vector128<double> lower, ref Vector128<double> upper, Vector128<float> x)
    {
        lower += Vector128.WidenLower(x);
        upper += Vector128.WidenUpper(x);
    }

    private static void AddProduct(
        ref Vector128<double> lower, ref Vector128<double> upper, Vector128<float> x, Vector128<float> y)
    {
        lower += Vector128.WidenLower(x) * Vector128.WidenLower(y);
        upper += Vector128.WidenUpper(x) * Vector128.WidenUpper(y);
    }

    private static void AddBoth(
        ref Vector128<double> lower,
        ref Vector128<double> upper,
        ref Vector128<double> lowerProducts,
        ref Vector128<double> upperProducts,
        Vector128<float> h,
        Vector128<float> x)
    {
        Vector128<double> left = Vector128.WidenLower(h), right = Vector128.WidenUpper(h);
        lower += left;
        upper += right;
        lowerProducts += left * Vector128.WidenLower(x);
        upperProducts += right * Vector128.WidenUpper(x);
    }
}

/// <summary>In 256-bit vectors.</summary>
internal unsafe struct WideSums256 : IWideSums<WideSums256>
{
    private Vector256<double> _s0, _s1, _s2, _s3;

    public static void Add(ref WideSums256 sums, float* x)
    {
        Vector256<float> left = Vector256.Load(x);
        Vector256<float> right = Vector256.Load(x + 8);
        sums._s0 += Vector256.WidenLower(left);
        sums._s1 += Vector256.WidenUpper(left);
        sums._s2 += Vector256.WidenLower(right);
        sums._s3 += Vector256.WidenUpper(right);
    }

    public static void AddProduct(ref WideSums256 sums, float* x, float* y)
    {
        Vector256<float> xLeft = Vector256.Load(x);
        Vector256<float> xRight = Vector256.Load(x + 8);
        Vector256<float> yLeft = Vector256.Load(y);
        Vector256<float> yRight = Vector256.Load(y + 8);
        sums._s0 += Vector256.WidenLower(xLeft) * Vector256.WidenLower(yLeft);
        sums._s1 += Vector256.WidenUpper(xLeft) * Vector256.WidenUpper(yLeft);
        sums._s2 += Vector256.WidenLower(xRight) * Vector256.WidenLower(yRight);
        sums._s3 += Vector256.WidenUpper(xRight) * Vector256.WidenUpper(yRight);
    }

    public static void AddSquare(ref WideSums256 sums, ref WideSums256 squares, float* x)
    {
        AddBoth(ref sums._s0, ref sums._s1, ref squares._s0, ref squares._s1, Vector256.Load(x), Vector256.Load(x));
        AddBoth(ref sums._s2, ref sums._s3, ref squares._s2, ref squares._s3, Vector256.Load(x + 8), Vector256.Load(x + 8));
    }

    public static void AddScaled(ref WideSums256 sums, ref WideSums256 products, float* gain, float* y, float* x)
    {
        AddBoth(ref sums._s0, ref sums._s1, ref products._s0, ref products._s1, Vector256.Load(gain) * Vector256.Load(y), Vector256.Load(x));
        AddBoth(ref sums._s2, ref sums._s3, ref products._s2, ref products._s3, Vector256.Load(gain + 8) * Vector256.Load(y + 8), Vector256.Load(x + 8));
    }

    private static void AddBoth(
        ref Vector256<double> lower,
        ref Vector256<double> upper,
        ref Vector256<double> lowerProducts,
        ref Vector256<double> upperProducts,
        Vector256<float> h,
        Vector256<float> x)
    {
        Vector256<double> left = Vector256.WidenLower(h), right = Vector256.WidenUpper(h);
        lower += left;
        upper += right;
        lowerProducts += left * Vector256.WidenLower(x);
        upperProducts += right * Vector256.WidenUpper(x);
    }
}

/// <summary>In 512-bit vectors.</summary>
internal unsafe struct WideSums512 : IWideSums<WideSums512>
{
    private Vector512<double> _s0, _s1;

    public static void Add(ref WideSums512 sums, float* x)
    {
        Vector512<float> all = Vector512.Load(x);
        sums._s0 += Vector512.WidenLower(all);
        sums._s1 += Vector512.WidenUpper(all);
    }

    public static void AddProduct(ref WideSums512 sums, float* x, float* y)
    {
        Vector512<float> left = Vector512.Load(x);
        Vector512<float> right = Vector512.Load(y);
        sums._s0 += Vector512.WidenLower(left) * Vector512.WidenLower(right);
        sums._s1 += Vector512.WidenUpper(left) * Vector512.WidenUpper(right);
    }

    public static void AddSquare(ref WideSums512 sums, ref WideSums512 squares, float* x)
    {
        AddBoth(ref sums._s0, ref squares._s0, Vector256.Load(x), Vector256.Load(x));
        AddBoth(ref sums._s1, ref squares._s1, Vector256.Load(x + 8), Vector256.Load(x + 8));
    }

    public static void AddScaled(ref WideSums512 sums, ref WideSums512 products, float* gain, float* y, float* x)
    {
        AddBoth(ref sums._s0, ref products._s0, Vector256.Load(gain) * Vector256.Load(y), Vector256.Load(x));
        AddBoth(ref sums._s1, ref products._s1, Vector256.Load(gain + 8) * Vector256.Load(y + 8), Vector256.Load(x + 8));
    }

    // Halves from memory: no vector has to be taken apart.
    private static void AddBoth(ref Vector512<double> sums, ref Vector512<double> products, Vector256<float> h, Vector256<float> x)
    {
        Vector512<double> wide = Avx512F.ConvertToVector512Double(h);
        sums += wide;
        products = Avx512F.FusedMultiplyAdd(wide, Avx512F.ConvertToVector512Double(x), products);
    }
}
