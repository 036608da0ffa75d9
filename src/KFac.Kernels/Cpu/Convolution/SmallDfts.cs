using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

internal readonly struct Dft1<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Points => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports) => ports.Store(0, ports.Load<TSimd, TVector>(0));
}

internal readonly struct Dft2<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Points => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports)
    {
        Wave<TSimd, TVector> x0 = ports.Load<TSimd, TVector>(0), x1 = ports.Load<TSimd, TVector>(1);
        ports.Store(0, x0 + x1);
        ports.Store(1, x0 - x1);
    }
}

internal readonly struct Dft3<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>sin 60°.</summary>
    private const float Sine = 0.86602540378443865f;

    public static int Points => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports)
    {
        Wave<TSimd, TVector> x0 = ports.Load<TSimd, TVector>(0), x1 = ports.Load<TSimd, TVector>(1), x2 = ports.Load<TSimd, TVector>(2);
        Butterfly(ref x0, ref x1, ref x2);
        ports.Store(0, x0);
        ports.Store(1, x1);
        ports.Store(2, x2);
    }

    /// <summary>Transforms in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Butterfly(ref Wave<TSimd, TVector> x0, ref Wave<TSimd, TVector> x1, ref Wave<TSimd, TVector> x2)
    {
        Wave<TSimd, TVector> sum = x1 + x2;
        Wave<TSimd, TVector> turned = Sine * (x1 - x2);
        Wave<TSimd, TVector> middle = x0.Add(-0.5f, sum);
        x0 += sum;
        x1 = middle.SubtractTurned(turned);
        x2 = middle.AddTurned(turned);
    }
}

internal readonly struct Dft4<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Points => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports)
    {
        Wave<TSimd, TVector> x0 = ports.Load<TSimd, TVector>(0), x1 = ports.Load<TSimd, TVector>(1);
        Wave<TSimd, TVector> x2 = ports.Load<TSimd, TVector>(2), x3 = ports.Load<TSimd, TVector>(3);
        Butterfly(ref x0, ref x1, ref x2, ref x3);
        ports.Store(0, x0);
        ports.Store(1, x1);
        ports.Store(2, x2);
        ports.Store(3, x3);
    }

    /// <summary>Transforms in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Butterfly(ref Wave<TSimd, TVector> x0, ref Wave<TSimd, TVector> x1, ref Wave<TSimd, TVector> x2, ref Wave<TSimd, TVector> x3)
    {
        Wave<TSimd, TVector> evenSum = x0 + x2, evenDifference = x0 - x2, oddSum = x1 + x3, oddDifference = x1 - x3;
        x0 = evenSum + oddSum;
        x2 = evenSum - oddSum;
        x1 = evenDifference.SubtractTurned(oddDifference);
        x3 = evenDifference.AddTurned(oddDifference);
    }
}

internal readonly struct Dft5<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Of 72° and 144°.</summary>
    private const float Cosine1 = 0.30901699437494742f, Cosine2 = -0.80901699437494742f, Sine1 = 0.95105651629515357f, Sine2 = 0.58778525229247313f;

    public static int Points => 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports)
    {
        Wave<TSimd, TVector> x0 = ports.Load<TSimd, TVector>(0);
        Wave<TSimd, TVector> x1 = ports.Load<TSimd, TVector>(1), x4 = ports.Load<TSimd, TVector>(4);
        Wave<TSimd, TVector> x2 = ports.Load<TSimd, TVector>(2), x3 = ports.Load<TSimd, TVector>(3);
        Wave<TSimd, TVector> sum1 = x1 + x4, sum2 = x2 + x3, difference1 = x1 - x4, difference2 = x2 - x3;
        ports.Store(0, x0 + sum1 + sum2);
        Wave<TSimd, TVector> even = x0.Add(Cosine1, sum1).Add(Cosine2, sum2);
        Wave<TSimd, TVector> odd = (Sine1 * difference1).Add(Sine2, difference2);
        ports.Store(1, even.SubtractTurned(odd));
        ports.Store(4, even.AddTurned(odd));
        even = x0.Add(Cosine2, sum1).Add(Cosine1, sum2);
        odd = (Sine2 * difference1).Add(-Sine1, difference2);
        ports.Store(2, even.SubtractTurned(odd));
        ports.Store(3, even.AddTurned(odd));
    }
}

/// <summary>Even and odd points apart.</summary>
internal readonly struct Dft8<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>cos 45°.</summary>
    private const float Half = 0.70710678118654752f;

    public static int Points => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports)
    {
        Wave<TSimd, TVector> x1 = ports.Load<TSimd, TVector>(1), x3 = ports.Load<TSimd, TVector>(3);
        Wave<TSimd, TVector> x5 = ports.Load<TSimd, TVector>(5), x7 = ports.Load<TSimd, TVector>(7);
        Dft4<TSimd, TVector>.Butterfly(ref x1, ref x3, ref x5, ref x7);
        Wave<TSimd, TVector> x0 = ports.Load<TSimd, TVector>(0), x2 = ports.Load<TSimd, TVector>(2);
        Wave<TSimd, TVector> x4 = ports.Load<TSimd, TVector>(4), x6 = ports.Load<TSimd, TVector>(6);
        Dft4<TSimd, TVector>.Butterfly(ref x0, ref x2, ref x4, ref x6);
        x3 = x3.Turn(Half, Half);
        x7 = x7.Turn(-Half, Half);
        ports.Store(0, x0 + x1);
        ports.Store(4, x0 - x1);
        ports.Store(1, x2 + x3);
        ports.Store(5, x2 - x3);
        ports.Store(2, x4.SubtractTurned(x5));
        ports.Store(6, x4.AddTurned(x5));
        ports.Store(3, x6 + x7);
        ports.Store(7, x6 - x7);
    }
}

/// <summary>Three by three points.</summary>
internal readonly struct Dft9<TSimd, TVector> : ISmallDft
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Of 40°, 80° and 160°.</summary>
    private const float Cosine1 = 0.76604444311897804f, Cosine2 = 0.17364817766693035f, Cosine4 = -0.93969262078590838f;
    private const float Sine1 = 0.64278760968653933f, Sine2 = 0.98480775301220806f, Sine4 = 0.34202014332566873f;

    public static int Points => 9;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transform(DftPorts ports)
    {
        Wave<TSimd, TVector> x0 = ports.Load<TSimd, TVector>(0), x3 = ports.Load<TSimd, TVector>(3), x6 = ports.Load<TSimd, TVector>(6);
        Dft3<TSimd, TVector>.Butterfly(ref x0, ref x3, ref x6);
        Wave<TSimd, TVector> x1 = ports.Load<TSimd, TVector>(1), x4 = ports.Load<TSimd, TVector>(4), x7 = ports.Load<TSimd, TVector>(7);
        Dft3<TSimd, TVector>.Butterfly(ref x1, ref x4, ref x7);
        x4 = x4.Turn(Cosine1, Sine1);
        x7 = x7.Turn(Cosine2, Sine2);
        Wave<TSimd, TVector> x2 = ports.Load<TSimd, TVector>(2), x5 = ports.Load<TSimd, TVector>(5), x8 = ports.Load<TSimd, TVector>(8);
        Dft3<TSimd, TVector>.Butterfly(ref x2, ref x5, ref x8);
        x5 = x5.Turn(Cosine2, Sine2);
        x8 = x8.Turn(Cosine4, Sine4);
        Dft3<TSimd, TVector>.Butterfly(ref x0, ref x1, ref x2);
        ports.Store(0, x0);
        ports.Store(3, x1);
        ports.Store(6, x2);
        Dft3<TSimd, TVector>.Butterfly(ref x3, ref x4, ref x5);
        ports.Store(1, x3);
        ports.Store(4, x4);
        ports.Store(7, x5);
        Dft3<TSimd, TVector>.Butterfly(ref x6, ref x7, ref x8);
        ports.Store(2, x6);
        ports.Store(5, x7);
        ports.Store(8, x8);
    }
}
